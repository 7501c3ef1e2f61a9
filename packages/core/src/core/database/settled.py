"""An operation that, once begun, is finished even when its task is cancelled meanwhile."""

import asyncio
from collections.abc import Awaitable


async def settled(operation: Awaitable[None]) -> None:
    """Waits for a COMMIT or ROLLBACK to end, whoever cancels; only then the cancellation goes on.

    A COMMIT that is interrupted halfway has an unknown outcome; anyio's shields do not hold against `Task.cancel()`.
    """
    task = asyncio.ensure_future(operation)
    cancellation: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as caught:
            if task.cancelled():
                raise
            cancellation = caught
        except Exception:  # noqa: BLE001, S110 - the operation's own failure: raised below by task.result()
            pass
    task.result()
    if cancellation is not None:
        raise cancellation
