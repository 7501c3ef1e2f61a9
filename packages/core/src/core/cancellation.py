"""What a task that is cancelled does not leave half done."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


def is_ending() -> bool:
    """Whether the task that runs was told to end: whatever it fails with then is no failure of its work."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def settled(operation: Awaitable[T]) -> T:
    """Waits for a COMMIT or ROLLBACK to end, whoever cancels; only then the cancellation goes on.

    A COMMIT that is interrupted halfway has an unknown outcome; anyio's shields do not hold against `Task.cancel()`.
    A failure of the operation does not hide a cancellation: who was told to end must not go on.
    """
    task = asyncio.ensure_future(operation)
    cancellation: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as caught:
            cancellation = caught
    if cancellation is not None:
        raise cancellation from task.exception()
    return task.result()
