"""Tasks that belong to the process: restarted when they fail, cancelled and awaited when it ends."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Self

import structlog

from core.backoff import backoff_s
from core.cancellation import is_ending
from core.lifespan.closing import current_closing

RESTART_DELAY_S_MIN, RESTART_DELAY_S_MAX = 0.1, 30.0
# What swallows its cancellation must not keep resources from closing.
END_TIMEOUT_S = 5.0

Work = Callable[[], Awaitable[None]]

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
        if not self._tasks:
            return
        closing = current_closing()
        ended = await asyncio.wait(self._tasks, timeout=closing.share_s(END_TIMEOUT_S))
        for task in ended[1]:
            name = task.get_name()
            closing.stuck.append(f"task {name}")
            log.error("task did not end", task=name, stuck=_within(name))

    def start(self, name: str, work: Work, *, after: Work | None = None) -> None:
        """Runs `work` until the process ends; a failure is logged and `work` starts again, later each time.

        The first time it starts when `after` has returned.
        """
        self._tasks.append(asyncio.create_task(_supervised(name, work, after), name=name))


def _within(name: str) -> list[str]:
    """What a task has started and waits for, by the names that it gave: `jobs: forget_events`."""
    names = (task.get_name() for task in asyncio.all_tasks() if not task.done())
    return sorted(each.removeprefix(f"{name}: ") for each in names if each.startswith(f"{name}: "))


async def _supervised(name: str, work: Work, after: Work | None) -> None:
    if after is not None:
        await after()
    clock = asyncio.get_running_loop().time
    restarts = 0
    # Work that failed while it was cancelled has ended for good.
    while not is_ending():
        started = clock()
        try:
            await work()
        except Exception:
            log.exception("task failed", task=name)
        restarts = 1 if clock() - started > RESTART_DELAY_S_MAX else restarts + 1
        await asyncio.sleep(backoff_s(restarts, first_s=RESTART_DELAY_S_MIN, max_s=RESTART_DELAY_S_MAX))
