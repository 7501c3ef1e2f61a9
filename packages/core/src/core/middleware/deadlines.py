"""Ends requests that take too long: one table of deadlines and one task that sweeps it, not a timer a request."""

import asyncio
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import TimedOut
from core.web.problems import Problems

# How much later than its deadline a request may end.
SWEEP_INTERVAL_S = 0.1


@dataclass(slots=True)
class _InFlight:
    deadline: float
    # How many cancellations were asked for when ours came; None before it came.
    cancelled_at: int | None = None


@dataclass(slots=True)
class DeadlineTable:
    """The requests in flight of one service, each with its deadline."""

    timeout_s: float
    requests: dict[asyncio.Task[object], _InFlight] = field(default_factory=dict)

    async def sweep(self) -> None:
        """Cancels what is late, until cancelled itself."""
        loop = asyncio.get_running_loop()
        while True:
            now = loop.time()
            for task, request in list(self.requests.items()):
                if now > request.deadline and request.cancelled_at is None:
                    request.cancelled_at = task.cancelling()
                    task.cancel()
            await asyncio.sleep(SWEEP_INTERVAL_S)


class Deadlines:
    """Answers 504 for a request whose time is up; one whose response has begun is exempt, however long it streams."""

    def __init__(self, app: ASGIApp, *, table: DeadlineTable, problems: Problems) -> None:
        self.app = app
        self._table = table
        self._problems = problems

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        task = asyncio.current_task()
        if scope["type"] != "http" or task is None:
            await self.app(scope, receive, send)
            return
        request = _InFlight(asyncio.get_running_loop().time() + self._table.timeout_s)
        requests = self._table.requests
        # An application that calls itself within one task runs under the deadline of the call.
        outermost = requests.setdefault(task, request) is request
        started = False

        async def note(message: Message) -> None:
            nonlocal started
            if not started:
                started = True
                if outermost:
                    requests.pop(task, None)
            await send(message)

        try:
            await self.app(scope, receive, note)
        except asyncio.CancelledError:
            if request.cancelled_at is None or started or task.uncancel() > request.cancelled_at:
                raise
            await self._problems.answer(TimedOut(), scope)(scope, receive, send)
        finally:
            if outermost:
                requests.pop(task, None)
