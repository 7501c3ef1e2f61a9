"""Refuses a body that is too large or too slow, and answers what nothing inside could answer."""

import asyncio

import structlog
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import BadRequest, ContentTooLarge, DomainError, InternalError, UnsupportedMediaType
from core.telemetry.exchange import EXCHANGE
from core.web.body_limits import BodyLimits
from core.web.problems import Problems

log = structlog.get_logger("core.middleware")

# The rest of the body stays unread, so the connection cannot be used again.
CLOSE = {"Connection": "close"}
# Tells this 415 from one that asks for another media type (RFC 9110, section 12.5.3).
UNCOMPRESSED = {"Accept-Encoding": "identity"}
# Longer is more than any limit, and more than Python turns into a number without complaint.
_LENGTH_DIGITS_MAX = 18


class Guard:
    """The limits of request bodies (RFC 9110, sections 15.5.9 and 15.5.14), and the last resort for an exception."""

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
        declared, chunked, encoded = _framing(scope["headers"])
        size_max = self._body_limits.of(scope) if declared or chunked else 0
        refusal = _refusal(declared, size_max, encoded=encoded)
        if refusal is not None:
            headers = CLOSE | (UNCOMPRESSED if encoded else {})
            await self._problems.answer(refusal, scope, headers=headers)(scope, receive, send)
            return
        await self._serve(scope, self._bounded(receive, size_max) if declared or chunked else receive, send)

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

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def note(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, note)
            if not started:
                log.error("no response", method=scope["method"], path=scope["path"])
        except Exception:
            if not scope[EXCHANGE].failure_logged:
                log.exception("unhandled exception", method=scope["method"], path=scope["path"])
        # Once begun, the response stays truncated and the server closes the connection: the client can tell.
        if not started:
            await self._problems.answer(InternalError(), scope)(scope, receive, send)


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


def _framing(headers: list[tuple[bytes, bytes]]) -> tuple[bytes | None, bool, bool]:
    """The declared length, whether the body comes in chunks that say only their own, and whether it is compressed."""
    declared = None
    chunked = encoded = False
    for name, value in headers:
        if name == b"content-length":
            declared = value
        elif name == b"transfer-encoding":
            chunked = True
        elif name == b"content-encoding":
            encoded = encoded or value.strip().lower() != b"identity"
    return declared, chunked, encoded
