"""Headers that keep a browser or a cache from doing with a response what it should not."""

from collections.abc import Mapping

from starlette.types import Message

from core.telemetry.exchange import Exchange

# Pages of this service need nothing from elsewhere, and nobody may frame them. Swagger UI draws with inline styles and
# images that are data; it runs no inline script and no eval.
CONTENT_SECURITY_POLICY = (
    b"default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    b"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
# One year: the least that browsers' preload lists accept.
STRICT_TRANSPORT_SECURITY = b"max-age=31536000; includeSubDomains"


_ERRORS = 400


class SecurityHeaders:
    """Adds `nosniff`, a type to content without one, a policy to HTML, HSTS, and `no-store` to what nobody may keep."""

    def __init__(self, *, https: bool) -> None:
        always = [(b"x-content-type-options", b"nosniff")]
        if https:
            always.append((b"strict-transport-security", STRICT_TRANSPORT_SECURITY))
        self._always = tuple(always)

    def of(self, exchange: Exchange, headers: Mapping[bytes, bytes], part: Message) -> tuple[tuple[bytes, bytes], ...]:
        """What a response lacks that begins with these headers and this part of its body."""
        added = self._always
        if b"content-type" not in headers and _has_content(headers, part):
            # What it is taken for anyway (RFC 9110, section 8.3), unless a proxy in between guesses.
            added += ((b"content-type", b"application/octet-stream"),)
        if b"cache-control" not in headers and not _is_storable(exchange):
            added += ((b"cache-control", b"no-store"),)
        if headers.get(b"content-type", b"").startswith(b"text/html") and b"content-security-policy" not in headers:
            added += ((b"content-security-policy", CONTENT_SECURITY_POLICY),)
        return added


def _has_content(headers: Mapping[bytes, bytes], part: Message) -> bool:
    # An answer to HEAD has the length of what it does not send.
    return bool(part.get("body") or part.get("more_body")) or headers.get(b"content-length", b"0") != b"0"


def _is_storable(exchange: Exchange) -> bool:
    # An anonymous GET may be cached; an answer to credentials, or one that holds them, may not (ASVS 14.3.2). A refusal
    # names one request, and a cache may keep a 404 unasked (RFC 9110, section 15.1).
    return (
        exchange.method in ("GET", "HEAD")
        and exchange.status < _ERRORS
        and b"authorization" not in exchange.request_headers
    )
