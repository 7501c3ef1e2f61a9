"""Lets few requests begin in one turn of the event loop: what arrives during a burst is read before all of it began."""

import asyncio
from collections import deque

from starlette.types import ASGIApp, Receive, Scope, Send

from core.web.probes import is_probe

# What arrives waits for the turn that runs, and its own. A request takes up to a millisecond until it first waits for
# something: two hundred of them in one turn hold up `/livez` for as many milliseconds.
BEGINS_MAX = 2


class Turns:
    """Requests begin in the order in which they came, `BEGINS_MAX` a turn; probes at once.

    One that waits has not begun, as if it had not been read yet: no layer has seen it, nor does its time run.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._left = BEGINS_MAX
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] == "http" and not is_probe(scope):
            await self._begin()
        await self.app(scope, receive, send)

    async def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        if self._left == BEGINS_MAX:
            loop.call_soon(self._next_turn, loop)
        if self._left:
            self._left -= 1
            return
        turn = loop.create_future()
        self._waiting.append(turn)
        await turn

    def _next_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        self._left = BEGINS_MAX
        while self._left and self._waiting:
            turn = self._waiting.popleft()
            # Who was cancelled takes nobody's turn.
            if not turn.done():
                turn.set_result(None)
                self._left -= 1
        if self._left < BEGINS_MAX:
            loop.call_soon(self._next_turn, loop)
