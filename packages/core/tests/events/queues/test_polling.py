"""Who works off a queue waits for an outage, and says so once."""

import asyncio
from collections.abc import Iterator

import pytest

from core.database import DatabaseUnavailable
from core.events.bus import BusUnavailable
from core.events.queues.polling import polling


async def turns(outcomes: Iterator[bool | Exception]) -> None:
    """Takes turns with these outcomes, and is stopped when there is none left."""

    async def turn() -> bool:
        outcome = next(outcomes, None)
        if outcome is None:
            raise asyncio.CancelledError
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    with pytest.raises(asyncio.CancelledError):
        await polling(turn, asyncio.Event())


async def test_an_outage_is_told_when_it_begins_and_when_it_is_over(logs):
    away = DatabaseUnavailable()
    away.__cause__ = ConnectionError("no server")
    await turns(iter([away, BusUnavailable("no bus"), True, True, away, False]))
    told = [(line["event"], line.get("cause")) for line in logs]
    assert told == [("events wait", "no server"), ("events go on", None)] * 2


async def test_a_failure_that_is_no_outage_ends_it():
    async def turn() -> bool:
        raise KeyError

    with pytest.raises(KeyError):
        await polling(turn, asyncio.Event())


async def test_who_is_awake_does_not_pause(monkeypatch):
    monkeypatch.setattr("core.events.queues.polling.POLL_S_MIN", 600)
    monkeypatch.setattr("core.events.queues.polling.POLL_S_MAX", 600)
    awake, taken = asyncio.Event(), []

    async def turn() -> bool:
        taken.append(1)
        if len(taken) == 3:
            raise asyncio.CancelledError
        awake.set()
        return False

    with pytest.raises(asyncio.CancelledError):
        await polling(turn, awake)
