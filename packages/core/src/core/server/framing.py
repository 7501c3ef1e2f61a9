"""Which heads are read: those that a proxy in front reads in the same way (RFC 9112, section 11.2)."""

import re
from collections.abc import Sequence

from core.errors import BadRequest, HeadTooLarge

# More than any browser or edge sends; in memory, each costs several times its bytes.
FIELDS_MAX = 128
# A name or an address, and a port (RFC 9110, section 7.2), by the letters that may be in them.
is_host = re.compile(rb"[\w.~!$&'()*+,;=%:\[\]-]*").fullmatch
_OF_AN_UPGRADE = frozenset({b"upgrade", b"http2-settings"})
_Fields = Sequence[tuple[bytes, bytes]]


def check_size(url: bytes, fields: _Fields, *, bytes_max: int) -> None:
    """Counts what can be counted of a head: blanks are not.

    Raises:
        HeadTooLarge: it is more than is accepted.
    """
    size = len(url) + sum(len(name) + len(value) + len(b": \r\n") for name, value in fields)
    if size > bytes_max or len(fields) > FIELDS_MAX:
        raise HeadTooLarge


def check_framing(*, version: str, hosts: Sequence[bytes], codings: Sequence[bytes]) -> None:
    """What the parser leaves to others.

    Raises:
        BadRequest: another server may see another request in it.
    """
    if version not in ("1.0", "1.1"):
        raise BadRequest("Only HTTP/1.1 is spoken here.")
    if len(hosts) > 1 or (not hosts and version == "1.1"):
        raise BadRequest("A request has one Host header.")
    if not all(map(is_host, hosts)):
        raise BadRequest("Host is a name or an address.")
    if codings and (list(codings) != [b"chunked"] or version == "1.0"):
        raise BadRequest("A body is sent as it is, or chunked.")


def without_upgrade(*, method: bytes, url: bytes, version: str, fields: _Fields) -> bytes:
    """The same head, of a client that has asked for no other protocol (RFC 9110, section 7.8)."""
    lines = [b"%b %b HTTP/%b" % (method, url, version.encode())]
    for name, value in fields:
        if name == b"connection":
            kept = [token for token in value.split(b",") if token.strip().lower() not in _OF_AN_UPGRADE]
            lines.append(b"connection: " + b",".join(kept))
        elif name not in _OF_AN_UPGRADE:
            lines.append(name + b": " + value)
    return b"\r\n".join([*lines, b"", b""])
