"""Either all of a command's changes, or none of them, whatever interrupts it."""

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from workspace.scaffold.progress import say
from workspace.scaffold.snapshot import Snapshot

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """Somebody stopped the command: Ctrl-C, or a signal that ends processes."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def all_or_nothing(paths: Sequence[Path], *, undo: Callable[[], None] | None = None) -> Iterator[None]:
    """Puts the paths back as they are now, and does `undo` besides, unless the block succeeds."""
    before = Snapshot.of(paths)
    handlers = {number: signal.signal(number, _stop) for number in STOPPING}
    try:
        yield
    except BaseException:
        _be_deaf()
        before.restore()
        if undo:
            undo()
        say("Everything is as it was.")
        raise
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _stop(number: int, _: FrameType | None) -> None:
    _be_deaf()
    raise Stopped(number)


def _be_deaf() -> None:
    """What is being undone is undone to its end; programs that are started for it inherit this."""
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)
