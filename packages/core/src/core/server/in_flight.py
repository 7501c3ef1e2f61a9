"""The requests in flight, and the application that may close what they need only after the last of them."""

import asyncio

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.lifespan import Closing

# How long cancelled requests may clean up: most of them roll back, and that is all.
CANCEL_GRACE_S = 2.0

log = structlog.get_logger("core.server")


class InFlight:
    """Sees how the application starts and stops, and stops it only after its last request."""

    def __init__(self, app: ASGIApp, *, closing: Closing | None = None) -> None:
        self.app = app
        self.failure: BaseException | None = None
        self._closing = closing or Closing()
        self._requests: dict[asyncio.Task[object] | None, str] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
            return
        task = asyncio.current_task()
        self._requests[task] = f"{scope['method']} {scope['path']}"
        try:
            await self.app(scope, receive, send)
        finally:
            del self._requests[task]

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def after_the_last_request() -> Message:
            message = await receive()
            if message["type"] == "lifespan.shutdown" and self._requests:
                await self._end_requests()
            return message

        async def quiet(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed":
                # One sentence says it, in place of a traceback.
                message["message"] = ""
            await send(message)

        try:
            await self.app(scope, after_the_last_request, quiet)
        except BaseException as failure:
            self.failure = failure
            raise

    async def _end_requests(self) -> None:
        """Waits for those that the server has just cancelled: their cleaning up needs what is about to close."""
        cut_off = list(self._requests.values())
        timeout_s = self._closing.share_s(CANCEL_GRACE_S)
        await asyncio.wait([task for task in self._requests if task], timeout=timeout_s)
        stuck = list(self._requests.values())
        self._closing.overran += cut_off
        self._closing.stuck += stuck
        log.error("requests were cut off", requests=cut_off, stuck=stuck)
