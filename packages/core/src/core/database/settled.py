"""An operation that, once begun, is finished even when its task is cancelled meanwhile."""

import asyncio
from collections.abc import Awaitable


async def settled(operation: Awaitable[None]) -> None:
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
    task.result()
