"""The threads that work for a process: they cannot be cancelled, and the interpreter waits for them without end."""

import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

TICK_S = 0.01
# What has nothing left to do needs a moment to end.
END_S = 0.5


class Threads:
    """Those that are started from here on."""

    def __init__(self) -> None:
        self._before = set(threading.enumerate())

    def busy_after(self, left_s: Callable[[], float]) -> list[str]:
        """Waits until they have ended, while `left_s()` is not 0; names the others: `thread worker_0 in render`."""
        until = time.monotonic() + END_S
        while (running := self._running()) and (left_s() or time.monotonic() < until):
            time.sleep(TICK_S)
        frames = sys._current_frames()  # noqa: SLF001 - there is no other way to ask what a thread does
        return [f"thread {thread.name}{_where(frames.get(thread.ident or 0))}" for thread in running]

    def _running(self) -> list[threading.Thread]:
        return [each for each in threading.enumerate() if not each.daemon and each not in self._before]


def _where(frame: FrameType | None) -> str:
    # Nowhere, if it has ended by now.
    return f" in {frame.f_code.co_name}" if frame else ""
