"""The innermost layer: an exception that nobody expected becomes a 500 problem, and is logged once."""

import asyncio
import re
from http import HTTPStatus

import structlog
from fastapi.exceptions import ResponseValidationError
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import BadRequest, InternalError
from core.telemetry.exchange import EXCHANGE
from core.tracing import record_failure
from core.web.problems import Problems, pointer

log = structlog.get_logger("core.middleware")

_STATUS_END = 600
# RFC 9110, section 5.5.
_breaks_header = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]").search


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
    """Holds the start of a response until something follows it, and refuses what is no response (ASGI, HTTP messages).

    A server refuses it too, but when it has counted the response as begun, so that nobody can be told any more.
    """

    __slots__ = ("begun", "ended", "held", "straight")

    def __init__(self, send: Send) -> None:
        self.straight = send
        self.held: Message | None = None
        self.begun = False
        self.ended = False

    async def send(self, message: Message) -> None:
        starts = message["type"] == "http.response.start"
        if self.ended or starts is (self.begun or self.held is not None):
            raise RuntimeError(f"{message['type']} was sent out of turn")
        if starts:
            _check(message)
            self.held = message
            return
        if self.held is not None:
            start, self.held, self.begun = self.held, None, True
            await self.straight(start)
        self.ended = not message.get("more_body", False)
        await self.straight(message)


def _check(start: Message) -> None:
    # Below 200 is no answer yet (RFC 9110, section 15.2): a client would go on waiting.
    if not HTTPStatus.OK <= start["status"] < _STATUS_END:
        raise RuntimeError(f"{start['status']} is not the status of a final response")
    for name, value in start.get("headers", ()):
        # What a handler put there may be what a client sent: a line end would begin a header of the client's own.
        if _breaks_header(value):
            raise RuntimeError(f"the value of the header {name.decode()} holds a control character")


def _log(failure: Exception, scope: Scope) -> None:
    scope[EXCHANGE].failure_logged = True
    # The text, and so the traceback, of the one would quote what was about to be answered.
    quotes = isinstance(failure, ResponseValidationError)
    record_failure(failure, described=not quotes)
    if quotes:
        errors = [{"pointer": pointer(each["loc"]), "code": each["type"]} for each in failure.errors()]
        log.error("response has not its declared shape", operation=failure.endpoint_path, errors=errors)
        return
    log.error("unhandled exception", exc_info=failure, method=scope["method"], path=scope["path"])
