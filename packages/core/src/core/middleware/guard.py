"""Refuses a body that is too large before anything runs, and answers what nothing inside could answer."""

import structlog
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import BadRequest, ContentTooLarge, DomainError, InternalError
from core.telemetry.exchange import EXCHANGE
from core.web.problems import Problems

log = structlog.get_logger("core.middleware")


class Guard:
    """The limit of request bodies (RFC 9110, section 15.5.14), and the last resort for an exception."""

    def __init__(self, app: ASGIApp, *, problems: Problems, body_bytes_max: int) -> None:
        self.app = app
        self._problems = problems
        self._body_bytes_max = body_bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        declared, chunked = _framing(scope["headers"])
        refusal = self._refusal(declared)
        if refusal is not None:
            # The body stays unread, so the connection cannot be used again.
            response = self._problems.answer(refusal, scope, headers={"Connection": "close"})
            await response(scope, receive, send)
            return
        await self._serve(scope, self._counted(receive) if chunked else receive, send)

    def _refusal(self, declared: bytes | None) -> DomainError | None:
        if declared is None:
            return None
        if not declared.isdigit():
            return BadRequest("Content-Length is not a number.")
        return self._too_large() if int(declared) > self._body_bytes_max else None

    def _too_large(self) -> ContentTooLarge:
        return ContentTooLarge(f"At most {self._body_bytes_max} bytes are accepted.")

    def _counted(self, receive: Receive) -> Receive:
        """Counts a body that does not say its length; the server holds the others to their word."""
        received = 0

        async def count() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._body_bytes_max:
                # FastAPI passes on this type alone of what breaks while it reads a body.
                raise HTTPException(413, headers={"Connection": "close"})
            return message

        return count

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def note(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, note)
        except Exception:
            if not scope[EXCHANGE].failure_logged:
                log.exception("unhandled exception")
            # Once begun, the response stays truncated and the server closes the connection: the client can tell.
            if not started:
                await self._problems.answer(InternalError(), scope)(scope, receive, send)


def _framing(headers: list[tuple[bytes, bytes]]) -> tuple[bytes | None, bool]:
    """The declared length, and whether the body comes in chunks that say only their own."""
    declared = None
    chunked = False
    for name, value in headers:
        if name == b"content-length":
            declared = value
        elif name == b"transfer-encoding":
            chunked = True
    return declared, chunked
