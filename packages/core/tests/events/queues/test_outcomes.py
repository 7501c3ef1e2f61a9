"""An outcome is written in spite of a short outage and of whoever cancels."""

import asyncio

import pytest

from core.database import DatabaseUnavailable
from core.events.queues import recorded


class Outcome:
    """One that fails as often as it is told to."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.tries = 0
        self.was_tried = asyncio.Event()

    async def __call__(self) -> None:
        self.tries += 1
        self.was_tried.set()
        if self.tries <= self.failures:
            raise DatabaseUnavailable from ConnectionError("gone")


async def test_it_is_written_when_the_database_is_back():
    outcome = Outcome(failures=2)
    await recorded(outcome)
    assert outcome.tries == 3


async def test_what_cannot_be_written_for_as_long_as_a_lease_is_left(monkeypatch, logs):
    monkeypatch.setattr("core.events.queues.outcomes.PATIENCE_S", 0)
    outcome = Outcome(failures=9)
    await recorded(outcome)
    assert outcome.tries == 1
    assert [line["cause"] for line in logs] == ["gone"]


async def test_who_is_told_to_end_does_not_wait_for_the_database(monkeypatch):
    monkeypatch.setattr("core.events.queues.outcomes.PAUSE_S", 600)
    outcome = Outcome(failures=9)
    recording = asyncio.create_task(recorded(outcome))
    await outcome.was_tried.wait()
    recording.cancel()
    await asyncio.wait([recording])
    assert (recording.cancelled(), outcome.tries) == (True, 1)


async def test_who_was_told_to_end_tries_once(logs):
    outcome = Outcome(failures=9)

    async def stopped() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await recorded(outcome)

    task = asyncio.create_task(stopped())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert outcome.tries == 1
    assert [line["event"] for line in logs] == ["events will be attempted again"]
