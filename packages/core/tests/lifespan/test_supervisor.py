"""Supervised tasks start again when they fail, and end with the process."""

import asyncio
from contextlib import suppress
from itertools import pairwise

import pytest

from core.lifespan import Closing, Supervisor, closing_by


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.lifespan.supervisor.RESTART_DELAY_S_MIN", 0.01)
    monkeypatch.setattr("core.lifespan.supervisor.END_TIMEOUT_S", 0.1)


async def test_a_task_that_fails_starts_again_later_each_time(quick, logs):
    began: list[float] = []
    enough = asyncio.Event()

    async def fail() -> None:
        began.append(asyncio.get_running_loop().time())
        if len(began) == 5:
            enough.set()
        raise RuntimeError("no")

    async with Supervisor() as tasks:
        tasks.start("failing", fail)
        await asyncio.wait_for(enough.wait(), 30)
    pauses = [later - earlier for earlier, later in pairwise(began)]
    # 10, 20, 40 and 80 ms, or half of that; the loop's clock counts whole milliseconds.
    assert all(pause > 0.5 * 0.01 * 2**n - 0.002 for n, pause in enumerate(pauses))
    assert {line["task"] for line in logs if line["event"] == "task failed"} == {"failing"}


async def test_a_task_that_worked_for_long_starts_again_soon(quick, monkeypatch):
    monkeypatch.setattr("core.lifespan.supervisor.RESTART_DELAY_S_MAX", 0.1)
    counted: list[int] = []
    enough = asyncio.Event()

    def soon(restarts: int, **_: float) -> float:
        counted.append(restarts)
        return 0.01

    monkeypatch.setattr("core.lifespan.supervisor.backoff_s", soon)

    async def work() -> None:
        if len(counted) == 5:
            enough.set()
        if len(counted) == 4:
            await asyncio.sleep(0.12)
        raise RuntimeError("no")

    async with Supervisor() as tasks:
        tasks.start("working", work)
        await asyncio.wait_for(enough.wait(), 30)
    # It would have been the fifth in a row.
    assert counted[4] == 1


async def test_a_task_that_returns_starts_again(quick):
    runs: list[str] = []
    enough = asyncio.Event()

    async def work() -> None:
        runs.append("run")
        if len(runs) == 2:
            enough.set()

    async with Supervisor() as tasks:
        tasks.start("returning", work)
        await asyncio.wait_for(enough.wait(), 30)


async def test_tasks_are_cancelled_and_waited_for():
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.03)
            ended.append("cleaned up")

    async with Supervisor() as tasks:
        tasks.start("one", work)
        tasks.start("two", work)
        await asyncio.sleep(0.01)
    assert ended == ["cleaned up"] * 2


async def test_a_task_that_fails_while_it_is_cancelled_has_ended(logs):
    async def work() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise RuntimeError("the database is gone") from None

    async with asyncio.timeout(30), Supervisor() as tasks:
        tasks.start("relay", work)
        await asyncio.sleep(0.01)
    assert not [line for line in logs if line["event"] == "task did not end"]


async def test_a_task_that_swallows_its_cancellation_is_named_and_left_behind(quick, logs):
    release = asyncio.Event()

    async def work() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    try:
        async with asyncio.timeout(30), Supervisor() as tasks:
            tasks.start("stubborn", work)
            await asyncio.sleep(0.01)
        assert [(line["task"], line["stuck"]) for line in logs if line["event"] == "task did not end"] == [
            ("stubborn", [])
        ]
    finally:
        # Or else nothing could end it, and the run of the tests with it.
        release.set()
    await asyncio.sleep(0)


async def test_what_a_task_waits_for_is_named_with_it(quick, logs):
    release = asyncio.Event()

    async def hang() -> None:
        while not release.is_set():
            with suppress(asyncio.CancelledError):
                await release.wait()

    async def work() -> None:
        async with asyncio.TaskGroup() as group:
            for name in ("jobs: sweep", "jobs: count", "job"):
                group.create_task(hang(), name=name)

    closing = Closing()
    try:
        with closing_by(closing):
            async with asyncio.timeout(30), Supervisor() as tasks:
                tasks.start("jobs", work)
                await asyncio.sleep(0.01)
        (line,) = (line for line in logs if line["event"] == "task did not end")
        assert (line["task"], line["stuck"]) == ("jobs", ["count", "sweep"])
        assert closing.stuck == ["task jobs"]
    finally:
        release.set()
    await asyncio.sleep(0.01)


async def test_a_supervisor_without_tasks_ends():
    async with Supervisor():
        pass


async def test_a_task_starts_when_what_it_waits_for_has_returned():
    ready, began = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        await ready.wait()

    async def work() -> None:
        began.set()
        await asyncio.sleep(60)

    async with asyncio.timeout(30), Supervisor() as tasks:
        tasks.start("held back", work, after=wait)
        await asyncio.sleep(0.05)
        assert not began.is_set()
        ready.set()
        await began.wait()


async def test_a_task_that_still_waits_ends_with_the_process():
    async with asyncio.timeout(30), Supervisor() as tasks:
        tasks.start("held back", lambda: asyncio.sleep(0), after=lambda: asyncio.sleep(60))
        await asyncio.sleep(0.01)
