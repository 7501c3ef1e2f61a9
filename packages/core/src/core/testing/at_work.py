"""Which requests a server still works on: a client has its answer before the request's last line is in the log."""

import asyncio
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send


class AtWork:
    """Stands around an application; knows the task of each request that came with an id."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._tasks: dict[str, asyncio.Task[Any] | None] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection."""
        ids = [value.decode("latin-1") for name, value in scope.get("headers", ()) if name == b"x-request-id"]
        self._tasks.update(dict.fromkeys(ids, asyncio.current_task()))
        try:
            await self.app(scope, receive, send)
        finally:
            for each in ids:
                self._tasks.pop(each, None)

    async def begun(self, request_id: str) -> None:
        """Waits until the request is there."""
        while request_id not in self._tasks:  # noqa: ASYNC110 - a test waits, and for a moment
            await asyncio.sleep(0.002)

    async def over(self, request_id: str) -> None:
        """Waits until nothing is done for the request any more."""
        while request_id in self._tasks:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.002)

    def cancel(self, request_id: str) -> None:
        """Cancels the request, as a server that has to stop does."""
        task = self._tasks[request_id]
        assert task
        task.cancel()
