"""Refuses a body that is too large or too slow, and answers what nothing inside could answer."""

import asyncio

import structlog
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import BadRequest, ContentTooLarge, DomainError, InternalError, UnsupportedMediaType
from core.telemetry.exchange import EXCHANGE
from core.web.problems import Problems

log = structlog.get_logger("core.middleware")

# The rest of the body stays unread, so the connection cannot be used again.
CLOSE = {"Connection": "close"}
# Longer is more than any limit, and more than Python turns into a number without complaint.
_LENGTH_DIGITS_MAX = 18


class Guard:
    """The limits of request bodies (RFC 9110, sections 15.5.9 and 15.5.14), and the last resort for an exception."""

    def __init__(self, app: ASGIApp, *, problems: Problems, body_bytes_max: int, body_timeout_s: float) -> None:
        self.app = app
        self._problems = problems
        self._body_bytes_max = body_bytes_max
        self._body_timeout_s = body_timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        declared, chunked, encoded = _framing(scope["headers"])
        refusal = self._refusal(declared, encoded=encoded)
        if refusal is not None:
            await self._problems.answer(refusal, scope, headers=CLOSE)(scope, receive, send)
            return
        await self._serve(scope, self._bounded(receive) if declared or chunked else receive, send)

    def _refusal(self, declared: bytes | None, *, encoded: bool) -> DomainError | None:
        if encoded:
            return UnsupportedMediaType("Send the body without a Content-Encoding.")
        if declared is None:
            return None
        if not declared.isdigit():
            return BadRequest("Content-Length is not a number.")
        if len(declared) > _LENGTH_DIGITS_MAX or int(declared) > self._body_bytes_max:
            return ContentTooLarge(f"At most {self._body_bytes_max} bytes are accepted.")
        return None

    def _bounded(self, receive: Receive) -> Receive:
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
            if received > self._body_bytes_max:
                raise HTTPException(413, headers=CLOSE)
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
            encoded = value.strip().lower() != b"identity"
    return declared, chunked, encoded
