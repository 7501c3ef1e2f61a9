"""How late an event loop runs, kept until a scraper has had time to see it."""

from contextvars import ContextVar
from dataclasses import dataclass, field
from time import monotonic

# A scraper that comes at least this often misses no peak.
WINDOW_S = 30.0


@dataclass(slots=True)
class LoopLag:
    """How late an event loop was at most: within the last `WINDOW_S`, or up to twice that."""

    _began: float = field(default_factory=monotonic)
    _before_s: float | None = None
    _current_s: float | None = None

    def note(self, lag_s: float) -> None:
        """The loop ran something so much later than it was asked to."""
        self._roll()
        self._current_s = max(lag_s, self._current_s or 0)

    def read(self) -> dict[tuple[str, ...], float]:
        """Seconds, as a metric without labels; nothing where nobody has measured."""
        self._roll()
        seen = [each for each in (self._before_s, self._current_s) if each is not None]
        return {(): max(seen)} if seen else {}

    def _roll(self) -> None:
        windows = int((monotonic() - self._began) / WINDOW_S)
        if windows:
            self._began += windows * WINDOW_S
            self._before_s, self._current_s = self._current_s if windows == 1 else None, None


# That of the loop which serves this process; None where nobody watches it.
loop_lag: ContextVar[LoopLag | None] = ContextVar("loop_lag", default=None)
