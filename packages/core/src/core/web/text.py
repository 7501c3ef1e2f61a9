"""Text out of a request body, as far as every part of a service can hold it."""

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

# Unicode's Cc, spelt out: a pattern stands in the OpenAPI document, and not every reader of it knows `\p{Cc}`.
_CONTROL = r"\x00-\x1f\x7f-\x9f"
# One line in any script, and more than space: no control characters, one of which (NUL) PostgreSQL cannot store.
Line = Annotated[str, Field(min_length=1, max_length=200, pattern=rf"^[^{_CONTROL}]*[^\s{_CONTROL}][^{_CONTROL}]*$")]

# Any text that PostgreSQL can hold, several lines included.
Text = Annotated[str, Field(pattern=r"^[^\x00]*$")]


def _encodable(secret: SecretStr) -> SecretStr:
    """JSON can escape half of a surrogate pair, which is no character (RFC 8259, section 8.2)."""
    try:
        secret.get_secret_value().encode()
    except UnicodeEncodeError:
        raise ValueError("not a text: half of a surrogate pair stands alone") from None
    return secret


# Any characters at all, hidden wherever it would be shown.
SecretText = Annotated[SecretStr, AfterValidator(_encodable)]
