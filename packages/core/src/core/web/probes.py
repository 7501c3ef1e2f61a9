"""Whether this process lives, has started, and may be sent requests; answered from memory."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Scope

from core.errors import Unavailable
from core.web.problems import Problems
from core.web.routes import PlainRoute

log = structlog.get_logger("core.web")

INTERVAL_S = 5.0
CHECK_TIMEOUT_S = 3.0
# One lost round trip is no outage, and one good one no recovery; the first check decides alone.
FAILURES_TO_FALL = 3
SUCCESSES_TO_RISE = 2


class NotReady(Unavailable):
    """The service is not ready for requests."""

    code = "not_ready"


Check = Callable[[], Awaitable[None]]


_WORDS = {True: "ok", False: "failing", None: "unknown"}


@dataclass(slots=True)
class _Health:
    healthy: bool | None = None
    streak: int = 0

    def record(self, *, succeeded: bool) -> None:
        if self.healthy is None:
            self.healthy = succeeded
            return
        self.streak = self.streak + 1 if succeeded != self.healthy else 0
        if self.streak >= (SUCCESSES_TO_RISE if succeeded else FAILURES_TO_FALL):
            self.healthy, self.streak = succeeded, 0


@dataclass(slots=True)
class Readiness:
    """The critical checks of one service, run in the background and answered from memory."""

    checks: dict[str, Check] = field(default_factory=dict)
    interval_s: float = INTERVAL_S
    # Services within this process: ready only when each of them is.
    mounted: dict[str, "Readiness"] = field(default_factory=dict)
    draining: bool = False
    _health: dict[str, _Health] = field(default_factory=dict)

    def drain(self) -> None:
        """Nobody is to send requests any more, here or to a service within."""
        self.draining = True
        for readiness in self.mounted.values():
            readiness.drain()

    async def run(self) -> None:
        """Runs every check, then again every `interval_s`, until cancelled."""
        while True:
            await self.check()
            await asyncio.sleep(self.interval_s)

    async def check(self) -> None:
        """Runs every check once."""
        for name, check in list(self.checks.items()):
            reason = await _failure_of(check)
            health = self._health.setdefault(name, _Health())
            was_healthy = health.healthy is not False
            health.record(succeeded=reason is None)
            if health.healthy is not was_healthy:
                log.warning("a check changed", check=name, state=_WORDS[health.healthy], reason=reason)

    @property
    def states(self) -> dict[str, str]:
        """The state of each check: `ok`, `failing`, or `unknown` before its first run."""
        own = {name: _WORDS[self._health.get(name, _Health()).healthy] for name in self.checks}
        within = {
            f"{name}.{check}": state for name, other in self.mounted.items() for check, state in other.states.items()
        }
        return own | within

    @property
    def ready(self) -> bool:
        """Whether requests may be sent here."""
        return not self.draining and all(state == "ok" for state in self.states.values())


async def _failure_of(check: Check) -> str | None:
    """Why the check failed; None if it did not."""
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            await check()
    except Exception as failed:  # noqa: BLE001 - whatever it raised, the check failed
        return " <- ".join(f"{type(each).__name__}: {each}" for each in (failed, failed.__cause__) if each is not None)
    return None


# `/metrics` among them: what happens under load is what it is there to show.
_PATHS = frozenset({"/livez", "/readyz", "/startupz", "/metrics"})


def is_probe(scope: Scope) -> bool:
    """Whether a request is an orchestrator's or a scraper's, here or below a mount: served always, and by any name."""
    return scope["path"].removeprefix(scope.get("root_path", "")) in _PATHS


def probe_routes(readiness: Readiness, problems: Problems, *, detailed: bool) -> list[PlainRoute]:
    """`/livez` touches nothing; `/readyz` says whether to send requests; `/startupz` whether this has started."""

    async def livez(_request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(request: Request) -> Response:
        members = {"checks": readiness.states} if detailed else {}
        if readiness.ready:
            return JSONResponse({"status": "ok", **members})
        return problems.answer(NotReady(), request.scope, members=members)

    async def startupz(request: Request) -> Response:
        if "unknown" in readiness.states.values():
            return problems.answer(NotReady(), request.scope)
        return JSONResponse({"status": "ok"})

    return [
        PlainRoute(path, endpoint, include_in_schema=False)
        for path, endpoint in (("/livez", livez), ("/readyz", readyz), ("/startupz", startupz))
    ]
