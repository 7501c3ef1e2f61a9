"""The innermost layer: an exception that nobody expected becomes a 500 problem, and is logged once."""

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import InternalError
from core.telemetry.exchange import EXCHANGE
from core.web.problems import Problems

log = structlog.get_logger("core.middleware")


class CatchAll:
    """Opaque outside, a traceback inside; inside CORS and the request id, so that the answer has both."""

    def __init__(self, app: ASGIApp, *, problems: Problems) -> None:
        self.app = app
        self._problems = problems

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def note(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, note)
        except Exception:
            scope[EXCHANGE].failure_logged = True
            log.exception("unhandled exception", method=scope["method"], path=scope["path"])
            if started:
                raise
            await self._problems.answer(InternalError(), scope)(scope, receive, send)
