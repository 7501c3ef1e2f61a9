"""Bounds the work of one process: how many requests run at a time, and for how long each of them may."""

import asyncio
from dataclasses import dataclass, field
from time import perf_counter

from starlette.types import ASGIApp, Receive, Scope, Send

from core.errors import TimedOut, Unavailable
from core.telemetry.exchange import EXCHANGE, Exchange
from core.web.probes import is_probe
from core.web.problems import Problems

# How much later than its deadline a request may end.
SWEEP_INTERVAL_S = 0.1


class TooBusy(Unavailable):
    """The service is busy with other requests."""

    code = "too_busy"


@dataclass(slots=True)
class Deadlines:
    """The requests that run in one service; one task ends those that take too long, in place of a timer a request."""

    timeout_s: float
    requests: dict[asyncio.Task[object], Exchange] = field(default_factory=dict)

    async def sweep(self) -> None:
        """Cancels what is late, until cancelled itself."""
        while True:
            now = perf_counter()
            for task, exchange in list(self.requests.items()):
                # Once it has begun, a response may stream for however long it takes.
                if now > exchange.deadline and exchange.cancelled_at is None and not exchange.begun:
                    exchange.cancelled_at = task.cancelling()
                    task.cancel()
            await asyncio.sleep(SWEEP_INTERVAL_S)


class InFlight:
    """Answers 503 with `Retry-After` (RFC 9110, section 15.6.4) above the most, and 504 where the time is up.

    Probes are always served: an orchestrator that got no answer from `/livez` would kill the process, and give its load
    to the others.
    """

    def __init__(self, app: ASGIApp, *, problems: Problems, deadlines: Deadlines, requests_max: int) -> None:
        self.app = app
        self._problems = problems
        self._deadlines = deadlines
        self._requests_max = requests_max
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        task = asyncio.current_task()
        if scope["type"] != "http" or task is None:
            await self.app(scope, receive, send)
            return
        if self._running >= self._requests_max and not is_probe(scope):
            await self._problems.answer(TooBusy(), scope)(scope, receive, send)
            return
        exchange, deadlines = scope[EXCHANGE], self._deadlines
        exchange.deadline = exchange.started + deadlines.timeout_s
        # An application that calls itself within one task runs under the deadline of the call.
        outermost = deadlines.requests.setdefault(task, exchange) is exchange
        self._running += 1
        try:
            await self.app(scope, receive, send)
        except asyncio.CancelledError:
            if exchange.cancelled_at is None or exchange.begun or task.uncancel() > exchange.cancelled_at:
                raise
            exchange.held = None
            await self._problems.answer(TimedOut(), scope)(scope, receive, send)
        finally:
            self._running -= 1
            if outermost:
                del deadlines.requests[task]
