"""A body of `application/x-www-form-urlencoded`, as RFC 6749 reads one."""

from urllib.parse import parse_qsl

MEDIA_TYPE = "application/x-www-form-urlencoded"
PARAMETERS_MAX = 32


def parameters(body: bytes) -> dict[str, str] | None:
    """The parameters by name; None for what is no form, or has one of them twice.

    One without a value counts as absent (RFC 6749, section 3.2).
    """
    try:
        text = body.decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=PARAMETERS_MAX)
    except ValueError:
        return None
    found = dict(pairs)
    return {name: value for name, value in found.items() if value} if len(found) == len(pairs) else None
