"""Tasks that belong to the process: restarted when they fail, cancelled and awaited when it ends."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Self

import structlog

RESTART_DELAY_S_MIN = 0.1
RESTART_DELAY_S_MAX = 30.0
# What swallows its cancellation must not keep resources from closing.
END_TIMEOUT_S = 5.0

log = structlog.get_logger("core.lifespan")


class Supervisor:
    """The background tasks of one service."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=END_TIMEOUT_S)
        for task in self._tasks:
            if not task.done():
                log.error("task did not end", task=task.get_name())

    def start(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Runs `work` until the process ends; a failure is logged and `work` starts again, later each time."""
        self._tasks.append(asyncio.create_task(_supervised(name, work), name=name))


async def _supervised(name: str, work: Callable[[], Awaitable[None]]) -> None:
    delay_s = RESTART_DELAY_S_MIN
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine runs in one
    # Work that failed while it was cancelled has ended for good.
    while not task.cancelling():
        started = asyncio.get_running_loop().time()
        try:
            await work()
        except Exception:
            log.exception("task failed", task=name)
        if asyncio.get_running_loop().time() - started > RESTART_DELAY_S_MAX:
            delay_s = RESTART_DELAY_S_MIN
        # Jitter, so that replicas that failed together do not come back together.
        await asyncio.sleep(delay_s * random.uniform(0.5, 1.5))  # noqa: S311 - spreads load, guards nothing
        delay_s = min(delay_s * 2, RESTART_DELAY_S_MAX)
