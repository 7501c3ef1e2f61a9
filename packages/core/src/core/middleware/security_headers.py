"""Headers that keep a browser or a cache from doing with a response what it should not."""

from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Pages of this service need nothing from elsewhere, and nobody may frame them. Swagger UI draws with inline styles and
# images that are data; it runs no inline script and no eval.
CONTENT_SECURITY_POLICY = (
    b"default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    b"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
# One year: the least that browsers' preload lists accept.
STRICT_TRANSPORT_SECURITY = b"max-age=31536000; includeSubDomains"


class SecurityHeaders:
    """Adds `nosniff` to everything, a policy to HTML, HSTS under https, and `no-store` to what no cache may keep."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self.app = app
        self._always = [(b"x-content-type-options", b"nosniff")]
        if https:
            self._always.append((b"strict-transport-security", STRICT_TRANSPORT_SECURITY))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        # An anonymous GET may be cached; an answer to credentials, or one that holds them, may not (ASVS 14.3.2).
        public = scope["method"] in ("GET", "HEAD") and not any(
            name == b"authorization" for name, _ in scope["headers"]
        )

        async def guard(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *self._always, *_of(message, public=public)]
            await send(message)

        await self.app(scope, receive, guard)


def _of(message: Message, *, public: bool) -> list[tuple[bytes, bytes]]:
    names = dict(message.get("headers", ()))
    added = []
    # A refusal names one request, and a cache may keep a 404 unasked (RFC 9110, section 15.1).
    storable = public and message["status"] < HTTPStatus.BAD_REQUEST
    if not storable and b"cache-control" not in names:
        added.append((b"cache-control", b"no-store"))
    if names.get(b"content-type", b"").startswith(b"text/html") and b"content-security-policy" not in names:
        added.append((b"content-security-policy", CONTENT_SECURITY_POLICY))
    return added
