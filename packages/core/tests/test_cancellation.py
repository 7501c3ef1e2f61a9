"""An operation that has begun ends, whoever cancels; and then the cancellation goes on."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from core.cancellation import settled


async def cancelled_while(operation: Callable[[], Awaitable[None]], *, times: int = 1) -> asyncio.Task[None]:
    """The task that waited for `operation` to settle, and was cancelled before the operation went on."""
    go_on = asyncio.Event()

    async def paused() -> None:
        await go_on.wait()
        await operation()

    task = asyncio.create_task(settled(paused()))
    for _ in range(times):
        await asyncio.sleep(0.001)
        task.cancel()
    await asyncio.sleep(0.001)
    assert not task.done()
    go_on.set()
    await asyncio.wait([task])
    return task


async def test_an_operation_is_waited_for():
    done: list[str] = []

    async def operation() -> None:
        done.append("end")

    await settled(operation())
    assert done == ["end"]


async def test_the_failure_of_an_operation_is_raised():
    async def operation() -> None:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        await settled(operation())


async def test_a_cancellation_waits_for_the_end():
    done: list[str] = []

    async def operation() -> None:
        done.append("end")

    task = await cancelled_while(operation, times=3)
    assert task.cancelled()
    assert done == ["end"]


async def test_a_failure_does_not_swallow_a_cancellation():
    async def operation() -> None:
        raise RuntimeError("the commit failed")

    assert (await cancelled_while(operation)).cancelled()


async def test_an_operation_that_is_cancelled_itself_is_no_success():
    async def operation() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await settled(operation())
