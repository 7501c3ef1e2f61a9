"""The watchdog over the loop of the test itself: what it says, when it stays quiet, and that nothing ends it."""

import asyncio
import threading

# As it was before the test kit made it fail.
from time import monotonic, sleep

import pytest

from core.watchdog import LoopLag, Watchdog, lag, stalls

BLOCKED = "event loop blocked"


def nap(seconds):
    # In pieces: of a process that is stopped meanwhile, the rest of the nap is left to be seen.
    for _ in range(10):
        sleep(seconds / 10)


@pytest.fixture
def watchdog():
    return Watchdog(stall_s=0.05, exchange_of=lambda _: None)


@pytest.fixture(autouse=True)
def talkative(monkeypatch):
    """A busy machine may hold the loop before the test does, and that line silences no other."""
    monkeypatch.setattr(stalls, "LINES_INTERVAL_S", 0)


@pytest.fixture
def lines(logs):
    """What is told of naps, in which the loop was held on purpose."""
    return lambda: [line for line in logs if line["event"] == BLOCKED and line["stack"][-1].endswith(" nap")]


async def test_work_in_the_background_is_named_by_its_task(watchdog, lines):
    async def work() -> None:
        await asyncio.sleep(0.1)
        nap(0.3)

    async with watchdog.watching():
        await asyncio.create_task(work(), name="relay")
        await asyncio.sleep(0.1)
    (line,) = lines()
    assert (line["task"], line["ended"], line["level"]) == ("relay", True, "warning")
    assert 200 <= line["blocked_ms"] < 30_000
    assert [frame.rpartition(" ")[2].rpartition(".")[2] for frame in line["stack"]] == ["work", "nap"]
    assert all(frame.startswith(f"{__file__}:") for frame in line["stack"])


async def test_what_is_no_task_is_named_too(watchdog, lines):
    async with watchdog.watching():
        await asyncio.sleep(0.1)
        asyncio.get_running_loop().call_soon(nap, 0.3)
        await asyncio.sleep(0.4)
    (line,) = lines()
    assert line["task"] is None


async def test_a_step_that_is_followed_by_others_at_once_is_told(watchdog, lines):
    async with watchdog.watching():
        await asyncio.sleep(0.1)
        for seconds in (0.3, *[0.001] * 100):
            asyncio.get_running_loop().call_soon(nap, seconds)
        await asyncio.sleep(0.6)
    assert 200 <= lines()[0]["blocked_ms"] < 30_000


async def test_what_may_never_end_is_told_while_it_lasts_and_only_once(watchdog, lines, monkeypatch):
    monkeypatch.setattr(stalls, "PATIENCE_S", 0.2)
    async with watchdog.watching():
        await asyncio.sleep(0.1)
        nap(0.5)
        (line,) = lines()
        assert line["ended"] is False
        await asyncio.sleep(0.1)
    assert lines() == [line]


async def test_lines_that_were_left_out_are_counted(watchdog, logs, monkeypatch):
    monkeypatch.setattr(stalls, "LINES_INTERVAL_S", 600)
    async with watchdog.watching():
        await asyncio.sleep(0.1)
        for _ in range(3):
            nap(0.2)
            await asyncio.sleep(0.1)
        watchdog._quiet_until = 0
        nap(0.2)
        await asyncio.sleep(0.1)
    first, second = [line["lines_left_out"] for line in logs if line["event"] == BLOCKED]
    # At least: a busy machine holds the loop, too.
    assert (first, second >= 2) == (0, True)


async def test_a_loop_that_runs_is_no_line(watchdog, logs):
    async with watchdog.watching():
        for _ in range(40):
            await asyncio.sleep(0.005)
    # Unless the machine itself has held it.
    assert logs == [] or watchdog.lag.read()[()] > 0.05


async def test_many_short_steps_blame_nobody(lines):
    watchdog = Watchdog(stall_s=0.3, exchange_of=lambda _: None)
    loop, took_s = asyncio.get_running_loop(), []

    def timed() -> None:
        began = monotonic()
        nap(0.02)
        took_s.append(monotonic() - began)

    async with watchdog.watching():
        await asyncio.sleep(0.1)
        for _ in range(30):
            loop.call_soon(timed)
        await asyncio.sleep(1)
    assert watchdog.lag.read()[()] > 0.3
    # Unless the machine itself made one of them long.
    assert lines() == [] or max(took_s) > 0.3


async def test_a_deep_stack_is_cut_where_it_begins(watchdog, lines):
    def deep(levels: int) -> None:
        if levels:
            deep(levels - 1)
        else:
            nap(0.3)

    async with watchdog.watching():
        await asyncio.sleep(0.1)
        deep(100)
        await asyncio.sleep(0.1)
    (line,) = lines()
    assert len(line["stack"]) == stalls.FRAMES_MAX


async def test_a_failure_of_its_own_is_logged_now_and_then_and_it_watches_on(logs, lines, monkeypatch):
    monkeypatch.setattr(stalls, "LINES_INTERVAL_S", 0.1)
    failures = iter([RuntimeError("broken")])

    def exchange_of(_frame) -> None:
        for failure in failures:
            raise failure

    async with Watchdog(stall_s=0.05, exchange_of=exchange_of).watching():
        await asyncio.sleep(0.1)
        nap(0.4)
        await asyncio.sleep(0.1)
    assert [line["event"] for line in logs if "watchdog" in line["event"]] == ["watchdog failed"]
    assert len(lines()) == 1


async def test_it_ends_with_what_it_watches(watchdog):
    async with watchdog.watching():
        assert "watchdog" in {thread.name for thread in threading.enumerate()}
    assert "watchdog" not in {thread.name for thread in threading.enumerate()}
    seen = watchdog.lag.read()
    nap(0.2)
    await asyncio.sleep(0.1)
    assert watchdog.lag.read() == seen


async def test_the_lag_is_the_greatest(watchdog):
    async with watchdog.watching():
        await asyncio.sleep(0.1)
        nap(0.3)
        await asyncio.sleep(0.2)
    assert 0.2 < watchdog.lag.read()[()] < 30


def test_a_peak_is_kept_until_a_scraper_has_had_time_to_see_it(monkeypatch):
    now = 1000.0
    monkeypatch.setattr(lag, "monotonic", lambda: now)
    loop_lag = LoopLag(now)
    assert loop_lag.read() == {}
    loop_lag.note(0.5)
    loop_lag.note(0.1)
    for later, greatest in ((29, 0.5), (30, 0.5), (59, 0.5)):
        now = 1000.0 + later
        assert loop_lag.read() == {(): greatest}
    loop_lag.note(0.2)
    now = 1060.0
    assert loop_lag.read() == {(): 0.2}
    now = 1200.0
    assert loop_lag.read() == {}
