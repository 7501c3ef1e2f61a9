"""How long events stay that were sent or handled, and that nothing else is forgotten."""

from uuid import UUID

import pytest

from core.events import Retention
from core.ids import new_id


@pytest.fixture
def add_sent(admin):
    """`await add_sent("a", "8 days", event_id=…)`: an event of that subject in the outbox, sent so long ago."""

    async def add(subject: str, ago: str | None, *, dead: str | None = None, event_id: UUID | None = None) -> None:
        await admin.execute(
            """
            INSERT INTO outbox (id, subject, sent_at, dead_at, type, sequence, time, data)
            VALUES ($1, $2, now() - $3::text::interval, now() - $4::text::interval, 't', 1, now(), '{}')
            """,
            event_id or new_id(),
            subject,
            ago,
            dead,
        )

    return add


@pytest.fixture
def add_handled(admin):
    """`await add_handled("a", "8 days", event_id=…)`: one in the inbox, handled so long ago."""

    async def add(subject: str, ago: str | None, *, dead: str | None = None, event_id: UUID | None = None) -> None:
        await admin.execute(
            """
            INSERT INTO inbox (event_id, subject, handled_at, dead_at, consumer, source, type, sequence, time, data)
            VALUES ($1, $2, now() - $3::text::interval, now() - $4::text::interval, 'c', 's', 't', 1, now(), '{}')
            """,
            event_id or new_id(),
            subject,
            ago,
            dead,
        )

    return add


@pytest.fixture
def left(admin):
    """`await left("outbox")`: whose events are still there."""

    async def subjects(table: str) -> list[str]:
        rows = await admin.fetch(f"SELECT subject FROM {table} ORDER BY subject")  # noqa: S608 - of two tables
        return [row["subject"] for row in rows]

    return subjects


@pytest.fixture
def retention(database):
    return Retention(database)


async def test_what_was_sent_is_kept_for_a_week(retention, add_sent, left):
    await add_sent("just kept", "6 days 23 hours 59 minutes")
    await add_sent("old", "7 days 1 minute")
    await retention.forget()
    assert await left("outbox") == ["just kept"]


async def test_what_was_handled_is_kept_for_a_day_longer(retention, add_handled, left):
    await add_handled("just kept", "7 days 23 hours 59 minutes")
    await add_handled("old", "8 days 1 minute")
    await retention.forget()
    assert await left("inbox") == ["just kept"]


async def test_what_waits_and_what_is_dead_stays(retention, add_sent, add_handled, left):
    for add in (add_sent, add_handled):
        await add("dead", None, dead="90 days")
        await add("waits", None)
    await retention.forget()
    assert await left("outbox") == await left("inbox") == ["dead", "waits"]


async def test_what_is_still_to_be_sent_is_not_forgotten_as_handled(retention, add_sent, add_handled, left):
    """It may be passed on once more, when the bus is back: a handler of the same service must know it then."""
    unsent, sent = new_id(), new_id()
    await add_sent("unsent", None, event_id=unsent)
    await add_sent("sent", "30 days", event_id=sent)
    await add_handled("unsent", "30 days", event_id=unsent)
    await add_handled("sent", "30 days", event_id=sent)
    await retention.forget()
    assert await left("inbox") == ["unsent"]


@pytest.mark.parametrize("number", [3, 4])
async def test_all_of_it_is_forgotten_some_at_a_time(retention, add_sent, add_handled, left, monkeypatch, number):
    monkeypatch.setattr("core.events.upkeep.retention.ROWS_MAX", 2)
    for add in (add_sent, add_handled):
        for subject in range(number):
            await add(str(subject), "30 days")
    await retention.forget()
    assert await left("outbox") == await left("inbox") == []
