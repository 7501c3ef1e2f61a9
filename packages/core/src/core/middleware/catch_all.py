"""The net: an exception that nobody expected becomes a 500 problem, and is logged once."""

import asyncio
from contextlib import suppress

import structlog
from fastapi.exceptions import ResponseValidationError
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from core.errors import BadRequest, InternalError
from core.telemetry.exchange import EXCHANGE
from core.tracing import record_failure
from core.web.problems import Problems, pointer

log = structlog.get_logger("core.middleware")


class CatchAll:
    """Opaque outside, a traceback inside; inside CORS and the request id, so that the answer has both.

    Once begun, a response that fails stays truncated, and the server closes the connection: the client can tell.
    """

    def __init__(self, app: ASGIApp, *, problems: Problems) -> None:
        self.app = app
        self._problems = problems

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = scope[EXCHANGE]
        try:
            await self.app(scope, receive, send)
            if exchange.begun:
                return
            answer = self._missing(scope)
        except ClientDisconnect:
            # No failure of ours. Nobody reads the answer, but whoever reads the access line.
            answer = self._problems.answer(BadRequest(), scope)
        except asyncio.CancelledError as cancelled:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Nobody cancelled this request: it awaited something that was.
            failure = RuntimeError("what the request awaited was cancelled")
            failure.__cause__ = cancelled
            answer = self._failed(failure, scope)
        except Exception as failure:  # noqa: BLE001 - whatever it is, it is logged and answered
            answer = self._failed(failure, scope)
        if not exchange.begun:
            exchange.held = None
            # The client has gone: so says a server of ASGI 2.4.
            with suppress(OSError):
                await answer(scope, receive, send)

    def _missing(self, scope: Scope) -> Response:
        log.error("no response", method=scope["method"], path=scope["path"])
        return self._problems.answer(InternalError(), scope)

    def _failed(self, failure: Exception, scope: Scope) -> Response:
        refusal = None
        if scope[EXCHANGE].held is not None:
            # It came after the start, which nobody has seen yet; the routes of Starlette wrap it then.
            refusal = self._problems.of(failure, scope) or self._problems.of(failure.__cause__, scope)
        if refusal is None:
            _log(failure, scope)
        return refusal or self._problems.answer(InternalError(), scope)


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
