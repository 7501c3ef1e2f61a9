"""The innermost layer: an exception that nobody expected becomes a 500 problem, and is logged once."""

import asyncio

import structlog
from fastapi.exceptions import ResponseValidationError
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import BadRequest, InternalError
from core.telemetry.exchange import EXCHANGE
from core.web.problems import Problems, pointer

log = structlog.get_logger("core.middleware")


class CatchAll:
    """Opaque outside, a traceback inside; inside CORS and the request id, so that the answer has both.

    A response starts when the first part of its body is there: a stream that fails before is a problem, not a
    success that breaks off.
    """

    def __init__(self, app: ASGIApp, *, problems: Problems) -> None:
        self.app = app
        self._problems = problems

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start = _Start(send)
        try:
            await self.app(scope, receive, start.send)
        except ClientDisconnect:
            # No failure of ours. Nobody reads the answer, but whoever reads the access line.
            if not start.begun:
                await self._problems.answer(BadRequest(), scope)(scope, receive, send)
        except asyncio.CancelledError as cancelled:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Nobody cancelled this request: it awaited something that was.
            failure = RuntimeError("what the request awaited was cancelled")
            failure.__cause__ = cancelled
            await self._fail(failure, start, scope, receive)
        except Exception as failure:  # noqa: BLE001 - whatever it is, it is logged and answered
            await self._fail(failure, start, scope, receive)

    async def _fail(self, failure: Exception, start: "_Start", scope: Scope, receive: Receive) -> None:
        # Starlette wraps a refusal that comes after the start, which nobody has seen yet.
        refusal = self._problems.of(failure.__cause__, scope) if start.held else None
        if refusal is None:
            _log(failure, scope)
            if start.begun:
                raise failure
        await (refusal or self._problems.answer(InternalError(), scope))(scope, receive, start.straight)


class _Start:
    """Holds the start of a response until something follows it."""

    __slots__ = ("begun", "held", "straight")

    def __init__(self, send: Send) -> None:
        self.straight = send
        self.held: Message | None = None
        self.begun = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and self.held is None and not self.begun:
            self.held = message
            return
        if self.held is not None:
            start, self.held, self.begun = self.held, None, True
            await self.straight(start)
        await self.straight(message)


def _log(failure: Exception, scope: Scope) -> None:
    scope[EXCHANGE].failure_logged = True
    if isinstance(failure, ResponseValidationError):
        # Its text, and so a traceback, would quote what was about to be answered.
        errors = [{"pointer": pointer(each["loc"]), "code": each["type"]} for each in failure.errors()]
        log.error("response has not its declared shape", operation=failure.endpoint_path, errors=errors)
        return
    log.error("unhandled exception", exc_info=failure, method=scope["method"], path=scope["path"])
