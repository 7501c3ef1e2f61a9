"""How a process ends: one time limit for all that closes, and the names of what did not end as it should."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic


class Closing:
    """The end of one process; `timeout_s` is for all of its parts together, counted from `begin`."""

    def __init__(self, *, timeout_s: float | None = None) -> None:
        # What did not end as it should, and what has not even ended: waiting for that would be for ever.
        self.overran: list[str] = []
        self.stuck: list[str] = []
        # What closes at this moment; within another part, what is last.
        self.closes: list[str] = []
        self._timeout_s = timeout_s
        self._ends_at: float | None = None

    def begin(self) -> None:
        """From here on the time runs."""
        if self._timeout_s is not None:
            self._ends_at = monotonic() + self._timeout_s

    def left_s(self) -> float | None:
        """What is left of the time; None where there is no limit."""
        return None if self._ends_at is None else max(0.0, self._ends_at - monotonic())

    def share_s(self, at_most_s: float) -> float:
        """How long the next part may take: half of what is left, so that something is left for any number after it."""
        left_s = self.left_s()
        return at_most_s if left_s is None else min(at_most_s, left_s / 2)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Within the block, `name` is what closes."""
        self.closes.append(name)
        try:
            yield
        finally:
            self.closes.remove(name)


_closing: ContextVar[Closing | None] = ContextVar("closing", default=None)


@contextmanager
def closing_by(closing: Closing) -> Iterator[None]:
    """What starts within the block closes within the limit of `closing`."""
    token = _closing.set(closing)
    try:
        yield
    finally:
        _closing.reset(token)


def current_closing() -> Closing:
    """The end of this process; without a limit where nobody has set one, as in a command."""
    return _closing.get() or Closing()
