"""Work that keeps a CPU busy leaves the event loop here: so much at once, so much in the queue, and no more."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
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
        self._places = concurrency + queue_max

    async def __call__(self, work: Callable[[], T]) -> T:
        """The result of `work`, which runs in a thread.

        Raises:
            Overloaded: the queue is full.
        """
        with self.place() as place:
            return await place(work)

    @contextmanager
    def place(self) -> "Iterator[Place]":
        """A place for one piece of work, which is free again when the work is done: what has it is not refused later.

        Raises:
            Overloaded: every place is taken.
        """
        if not self._places:
            raise Overloaded
        self._places -= 1
        place = Place(self)
        try:
            yield place
        finally:
            if not place.used:
                self._places += 1

    async def _run(self, work: Callable[[], T], place: "Place") -> T:
        await self._free.acquire()
        place.used = True
        running = asyncio.get_running_loop().run_in_executor(self._executor, work)
        running.add_done_callback(self._done)
        # A caller who leaves does not stop the thread: its place is free only when the work is done.
        return await asyncio.shield(running)

    def _done(self, _: object) -> None:
        self._free.release()
        self._places += 1


class Place:
    """A place among those who wait; `await place(work)` once."""

    def __init__(self, offload: Offload) -> None:
        self._offload = offload
        self.used = False

    async def __call__(self, work: Callable[[], T]) -> T:
        """The result of `work`, which runs in a thread when its turn has come."""
        return await self._offload._run(work, self)  # noqa: SLF001 - two halves of one thing


@asynccontextmanager
async def open_offload(name: str, *, concurrency: int, queue_max: int) -> AsyncGenerator[Offload]:
    """`concurrency` threads and a queue of `queue_max`, until the block ends."""
    executor = ThreadPoolExecutor(concurrency, thread_name_prefix=name)
    try:
        yield Offload(executor, concurrency=concurrency, queue_max=queue_max)
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
