"""Log lines leave through one thread, in batches, so that no request waits for a slow pipe."""

import os
import select
from collections import deque
from threading import Event, Thread

FLUSH_INTERVAL_S = 0.05
# About 20 MB of lines: what a stalled reader may cost before lines are dropped, and counted.
LINES_MAX = 100_000
# How long the end of the process may wait for a reader that has stalled.
STOP_TIMEOUT_S = 2.0


class LineWriter:
    """Writes lines to a file descriptor from a thread of its own; bounded: what does not fit is dropped and counted."""

    def __init__(self, descriptor: int = 1) -> None:
        self._descriptor = descriptor
        # Its ends may be used by several threads at once; a list that is swapped loses the line that comes meanwhile.
        self._lines: deque[bytes] = deque()
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="log-writer", daemon=True)
        self.dropped = 0

    def __call__(self, line: bytes) -> None:
        """Queues one line, its newline included."""
        if len(self._lines) < LINES_MAX:
            self._lines.append(line)
        else:
            self.dropped += 1

    def start(self) -> "LineWriter":
        """Starts the thread."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Writes what is queued and ends the thread; after `STOP_TIMEOUT_S` leaves it to the end of the process."""
        self._stopping.set()
        self._thread.join(STOP_TIMEOUT_S)

    def _run(self) -> None:
        while not self._stopping.wait(FLUSH_INTERVAL_S):
            self._flush()
        self._flush()

    def _flush(self) -> None:
        lines = [self._lines.popleft() for _ in range(len(self._lines))]
        data = memoryview(b"".join(lines))
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:
                # Whoever shares the pipe with us made it non-blocking.
                select.select((), (self._descriptor,), ())
            except OSError:
                # Nobody reads any more: a log line is no reason to stop serving.
                self.dropped += len(lines)
                return
