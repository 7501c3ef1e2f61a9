"""How far a run of the biller has come, for whoever reads the log or waits at a terminal."""

import asyncio
from dataclasses import dataclass, field

import structlog

from billing.biller.models import Kind

INTERVAL_S = 5.0

log = structlog.get_logger("billing.biller")


def _now_s() -> float:
    return asyncio.get_running_loop().time()


@dataclass(slots=True)
class Progress:
    """What a run has done of one kind; `left` was counted when it began."""

    kind: Kind
    left: int
    done: int = 0
    failed: int = 0
    _began_s: float = field(default_factory=_now_s)
    _told_s: float = field(default_factory=_now_s)

    def step(self, *, is_done: bool) -> None:
        """One more; told if nothing was for a while."""
        self.done += is_done
        self.failed += not is_done
        self.left = max(self.left - 1, 0)
        if _now_s() - self._told_s >= INTERVAL_S:
            self._tell("billing goes on")

    def end(self) -> None:
        """Tells what came of it, if there was anything to do."""
        if self.done or self.failed:
            self._tell("billing is done")

    def _tell(self, event: str) -> None:
        self._told_s = _now_s()
        rate = self.done / max(self._told_s - self._began_s, 0.001)
        counts = {"done": self.done, "failed": self.failed, "left": self.left}
        log.info(event, kind=self.kind.value, **counts, per_second=round(rate, 1))
