"""Bounds how many requests one process works on: one more is told at once to come back, not left to wait."""

from starlette.types import ASGIApp, Receive, Scope, Send

from core.errors import Unavailable
from core.web.probes import is_probe
from core.web.problems import Problems


class TooBusy(Unavailable):
    """The service is busy with other requests."""

    code = "too_busy"


class Concurrency:
    """Answers 503 with `Retry-After` (RFC 9110, section 15.6.4) above the most; probes are always served.

    An orchestrator that got no answer from `/livez` would kill the process, and give its load to the others.
    """

    def __init__(self, app: ASGIApp, *, problems: Problems, requests_max: int) -> None:
        self.app = app
        self._problems = problems
        self._requests_max = requests_max
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if self._running >= self._requests_max and not is_probe(scope):
            await self._problems.answer(TooBusy(), scope)(scope, receive, send)
            return
        self._running += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self._running -= 1
