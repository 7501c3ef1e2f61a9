"""When work in the background begins: at once, or when the host of several services has started all of them."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_begun: ContextVar[asyncio.Event | None] = ContextVar("begun", default=None)


@contextmanager
def held_back() -> Iterator[asyncio.Event]:
    """What starts within the block does its work in the background only once the event is set."""
    begun = asyncio.Event()
    token = _begun.set(begun)
    try:
        yield begun
    finally:
        _begun.reset(token)


async def begun() -> None:
    """Returns when work in the background may begin."""
    event = _begun.get()
    if event is not None:
        await event.wait()
