"""Shows what a command is doing: a line a step, and how long it took."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

TITLE_CHARACTERS = 46


def say(text: str) -> None:
    """One or more lines for whoever sits in front of the terminal."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


@contextmanager
def step(title: str) -> Iterator[None]:
    """Says what is being done, and when it is done how long that took."""
    sys.stdout.write(f"{title:<{TITLE_CHARACTERS}}")
    sys.stdout.flush()
    began = time.monotonic()
    try:
        yield
    except BaseException:
        say("stopped")
        raise
    say(f"{time.monotonic() - began:5.1f} s")
