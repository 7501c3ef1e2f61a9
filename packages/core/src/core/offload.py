"""Work that keeps a CPU busy leaves the event loop here: so much at once, so much in the queue, and no more."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

from core.errors import Unavailable

# Long enough for a full queue to be worked off.
RETRY_AFTER_S = 1

T = TypeVar("T")


class Overloaded(Unavailable):
    """More of this work is waiting than can be done soon."""

    code = "overloaded"

    def __init__(self) -> None:
        super().__init__(retry_after_s=RETRY_AFTER_S)


class Offload:
    """The threads of one kind of work."""

    def __init__(self, executor: ThreadPoolExecutor, *, concurrency: int, queue_max: int) -> None:
        self._executor = executor
        self._free = asyncio.Semaphore(concurrency)
        self._queue_max = queue_max
        self._waiting = 0

    async def __call__(self, work: Callable[[], T]) -> T:
        """The result of `work`, which runs in a thread.

        Raises:
            Overloaded: the queue is full.
        """
        if self._free.locked() and self._waiting >= self._queue_max:
            raise Overloaded
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
        running = asyncio.get_running_loop().run_in_executor(self._executor, work)
        running.add_done_callback(lambda _: self._free.release())
        # A caller who leaves does not stop the thread: its place is free only when the work is done.
        return await asyncio.shield(running)


@asynccontextmanager
async def open_offload(name: str, *, concurrency: int, queue_max: int) -> AsyncGenerator[Offload]:
    """`concurrency` threads and a queue of `queue_max`, until the block ends."""
    executor = ThreadPoolExecutor(concurrency, thread_name_prefix=name)
    try:
        yield Offload(executor, concurrency=concurrency, queue_max=queue_max)
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
