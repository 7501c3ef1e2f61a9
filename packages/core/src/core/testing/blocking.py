"""Remembers what blocked the event loop: a layer that answers 500 for it would otherwise hide it from the test."""

from collections.abc import Iterator
from contextlib import contextmanager

import blockbuster.blockbuster as detection
import pytest


@contextmanager
def remembered() -> Iterator[None]:
    """Raises the first blocking call of the block at its end, wherever its error went.

    Raises:
        BlockingError: there was one; the traceback leads to it.
    """
    found: list[Exception] = []

    class Remembered(detection.BlockingError):
        def __init__(self, func: str) -> None:
            super().__init__(func)
            found.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(detection, "BlockingError", Remembered)
        yield
    if found:
        raise found[0]
