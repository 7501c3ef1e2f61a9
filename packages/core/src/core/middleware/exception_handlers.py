"""Answers what handlers and the router refuse, by the exception handlers of the application."""

from collections.abc import Mapping
from typing import Any

from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.types import ASGIApp, ExceptionHandler, Receive, Scope, Send

from core.telemetry.exchange import EXCHANGE


class ExceptionHandlers:
    """Starlette's ExceptionMiddleware, entered with an exception alone: it wraps `send` for every request."""

    def __init__(self, app: ASGIApp, *, handlers: Mapping[Any, ExceptionHandler]) -> None:
        self.app = app
        self._handlers = handlers
        by_kind = {kind: handler for kind, handler in handlers.items() if not isinstance(kind, int)}
        by_status = {kind: handler for kind, handler in handlers.items() if isinstance(kind, int)}
        # What the routes of Starlette and FastAPI look for.
        self._for_routes = by_kind, by_status

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        scope["starlette.exception_handlers"] = self._for_routes
        try:
            await self.app(scope, receive, send)
        except Exception as failure:
            if scope["type"] != "http" or scope[EXCHANGE].begun or scope[EXCHANGE].held is not None:
                # CatchAll knows what can still be done.
                raise
            await ExceptionMiddleware(_raising(failure), handlers=self._handlers)(scope, receive, send)


def _raising(failure: Exception) -> ASGIApp:
    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise failure

    return app
