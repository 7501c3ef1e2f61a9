"""Refuses what could not be read, a path of two meanings, and a body that is too large, too slow or compressed."""

import asyncio

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import BadRequest, ContentTooLarge, DomainError, NotFound, UnsupportedMediaType
from core.telemetry.exchange import EXCHANGE
from core.web.body_limits import BodyLimits
from core.web.problems import Problems

# The rest of the body stays unread, so the connection cannot be used again.
CLOSE = {"Connection": "close"}
# The key, in an ASGI scope, of what a server refuses a request for that it could not read.
REFUSAL = "core.refusal"
# Tells this 415 from one that asks for another media type (RFC 9110, section 12.5.3).
UNCOMPRESSED = {"Accept-Encoding": "identity"}
# Longer is more than any limit, and more than Python turns into a number without complaint.
_LENGTH_DIGITS_MAX = 18


class Guard:
    """The limits of request bodies (RFC 9110, sections 15.5.9 and 15.5.14)."""

    def __init__(self, app: ASGIApp, *, problems: Problems, body_limits: BodyLimits, body_timeout_s: float) -> None:
        self.app = app
        self._problems = problems
        self._body_limits = body_limits
        self._body_timeout_s = body_timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if REFUSAL in scope:
            await self._problems.answer(scope[REFUSAL], scope, headers=CLOSE)(scope, receive, send)
            return
        if scope["path"].endswith("\n"):
            # A route matches before it, too: `/metrics%0A` would be what the edge refuses as `/metrics` alone.
            await self._problems.answer(NotFound(), scope)(scope, receive, send)
            return
        headers = scope[EXCHANGE].request_headers
        declared = headers.get(b"content-length")
        encoded = b"content-encoding" in headers and _is_encoded(scope)
        if declared is None and b"transfer-encoding" not in headers and not encoded:
            await self.app(scope, receive, send)
            return
        size_max = self._body_limits.of(scope)
        refusal = _refusal(declared, size_max, encoded=encoded)
        if refusal is None:
            await self.app(scope, self._bounded(receive, size_max), send)
            return
        closing = CLOSE | (UNCOMPRESSED if encoded else {})
        await self._problems.answer(refusal, scope, headers=closing)(scope, receive, send)

    def _bounded(self, receive: Receive, size_max: int) -> Receive:
        """Counts the body, which need not say its length, and ends the wait for it.

        It raises HTTPException: FastAPI passes on this type alone of what breaks while it reads a body.
        """
        deadline = asyncio.get_running_loop().time() + self._body_timeout_s
        received = 0
        whole = False

        async def bounded() -> Message:
            nonlocal received, whole
            if whole:
                # From here on it is asked whether the client is still there.
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, headers=CLOSE) from None
            whole = not message.get("more_body", False)
            received += len(message.get("body", b""))
            if received > size_max:
                raise HTTPException(413, headers=CLOSE) from _too_large(size_max)
            return message

        return bounded


def _refusal(declared: bytes | None, size_max: int, *, encoded: bool) -> DomainError | None:
    if encoded:
        return UnsupportedMediaType("Send the body without a Content-Encoding.")
    if declared is None:
        return None
    if not declared.isdigit():
        return BadRequest("Content-Length is not a number.")
    if len(declared) > _LENGTH_DIGITS_MAX or int(declared) > size_max:
        return _too_large(size_max)
    return None


def _too_large(size_max: int) -> ContentTooLarge:
    return ContentTooLarge(f"At most {size_max} bytes are accepted.")


def _is_encoded(scope: Scope) -> bool:
    return any(name == b"content-encoding" and value.strip().lower() != b"identity" for name, value in scope["headers"])
