"""How far a long command has come: one line that changes on a terminal, and a line now and then elsewhere."""

import time
from typing import TextIO

PAUSE_S = 5.0
_START_OF_LINE, _REST_OF_LINE = "\r", "\x1b[K"


class ProgressLine:
    """What is shown on `stream`, for whoever waits."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._is_begun = False
        self._next_at = 0.0

    def show(self, text: str) -> None:
        """Shows the state of things, unless nobody looks and something was shown a moment ago."""
        now = time.monotonic()
        if self._is_terminal:
            self._stream.write(f"{_START_OF_LINE}{text}{_REST_OF_LINE}")
            self._is_begun = True
        elif now >= self._next_at:
            self._stream.write(f"{text}\n")
            self._next_at = now + PAUSE_S
        self._stream.flush()

    def end(self) -> None:
        """Leaves what a terminal shows where it is; what is written next has a line of its own."""
        if self._is_begun:
            self._stream.write("\n")
            self._stream.flush()
        self._is_begun = False
        self._next_at = 0.0


def grouped(number: int) -> str:
    """`40 000`: a number as people read it."""
    return f"{number:,}".replace(",", " ")
