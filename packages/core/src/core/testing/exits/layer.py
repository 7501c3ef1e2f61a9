"""A layer that somebody added around the handlers, and that fails where a request asks it to."""

from starlette.types import ASGIApp, Receive, Scope, Send

CANARY = "canary-0451"
FAILS_BEFORE, FAILS_AFTER = "/v1/exits/layer-fails-before", "/v1/exits/layer-fails-after"


class FailingLayer:
    """Raises before or after what it stands around has answered."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        path = scope.get("path", "")
        if path.endswith(FAILS_BEFORE):
            raise RuntimeError(CANARY)
        await self.app(scope, receive, send)
        if path.endswith(FAILS_AFTER):
            raise RuntimeError(CANARY)
