"""A handler under a new name: it goes on where it was, and does nothing twice."""

from dataclasses import replace

import pytest

from core.events import Handlers, Inbox
from core.events.upkeep import renaming
from core.events.upkeep.renaming import Renaming

OLD = "example.handlers.old"
NEW = f"{__name__}.Kept.handle"


class Kept:
    """A handler that says what it has handled."""

    def __init__(self) -> None:
        self.handlers = Handlers()
        self.handlers.once("thing.made", source="shop")(self.handle)
        self.handled: list[tuple[str, int]] = []

    async def handle(self, event, _session, _resources):
        self.handled.append((event.subject, event.sequence))


@pytest.fixture
def kept():
    return Kept()


@pytest.fixture
def was(database, kept):
    """`was.receive([…])`: what the replica before this one stores, for the name that the handler had."""
    return Inbox("example", database, [replace(each, consumer=OLD) for each in kept.handlers.subscriptions])


@pytest.fixture
def inbox(database, kept):
    return Inbox("example", database, kept.handlers.subscriptions)


@pytest.fixture
def rows(admin):
    async def look():
        rows = await admin.fetch("SELECT consumer, subject, handled_at IS NOT NULL FROM inbox ORDER BY position")
        return [tuple(row) for row in rows]

    return look


@pytest.fixture
def is_handled(admin):
    return lambda: admin.fetchval("SELECT count(handled_at) = count(*) FROM inbox")


async def test_what_waits_is_handled_in_its_order_and_what_was_handled_is_not(
    database, admin, was, kept, event, dispatching, becomes, is_handled, monkeypatch
):
    monkeypatch.setattr(renaming, "ROWS_MAX", 2)
    done = event(subject="thg_1", sequence=0)
    waiting = [event(subject="thg_2", sequence=number) for number in (1, 2, 3, 4)]
    await was.receive([done, *waiting])
    await admin.execute("UPDATE inbox SET handled_at = now() WHERE subject = 'thg_1'")
    statement = "INSERT INTO inbox_sequences SELECT $1, 'thg_' || n, 2 FROM generate_series(2, 4) AS n"
    await admin.execute(statement, OLD)
    await Renaming(database, OLD, NEW).run()
    async with dispatching(kept.handlers) as dispatcher:
        # Once more, by the bus; and a state that it knew under its old name.
        await dispatcher.inbox.receive([done, event(subject="thg_4", sequence=2)])
        await becomes(is_handled)
    assert kept.handled == [("thg_2", 3), ("thg_2", 4)]
    assert not await Renaming(database, OLD, NEW).is_known()


async def test_an_event_that_both_names_were_given_is_handled_once(
    database, admin, was, inbox, kept, event, rows, dispatching, becomes, is_handled
):
    """As two replicas leave it that run at once: who stored it, and who handled it, is chance."""
    by_old, by_new, by_none = (event(subject=name) for name in ("old", "new", "none"))
    await was.receive([by_old, by_new, by_none])
    await inbox.receive([by_old, by_new, by_none])
    handled = "UPDATE inbox SET handled_at = now() WHERE (consumer, subject) IN (($1, 'old'), ($2, 'new'))"
    await admin.execute(handled, OLD, NEW)
    await Renaming(database, OLD, NEW).run()
    assert await rows() == [(NEW, "old", True), (NEW, "new", True), (NEW, "none", False)]
    async with dispatching(kept.handlers):
        await becomes(is_handled)
    assert kept.handled == [("none", 0)]


@pytest.mark.parametrize(("old", "new"), [(7, 3), (3, 7)])
async def test_the_later_state_of_a_subject_is_what_it_knows(database, admin, old, new):
    await admin.execute("INSERT INTO inbox_sequences VALUES ($1, 'thg_1', $2), ($3, 'thg_1', $4)", OLD, old, NEW, new)
    await Renaming(database, OLD, NEW).run()
    known = await admin.fetch("SELECT consumer, sequence FROM inbox_sequences")
    assert [tuple(row) for row in known] == [(NEW, 7)]


async def test_it_is_moved_whole_or_not_at_all(database, admin, was, event, rows):
    await was.receive([event(subject="thg_1")])
    await admin.execute("INSERT INTO inbox_sequences VALUES ($1, 'thg_1', 1)", OLD)
    await admin.execute(f"ALTER TABLE inbox_sequences ADD CHECK (consumer <> '{NEW}')")
    with pytest.raises(Exception, match="inbox_sequences_consumer_check"):
        await Renaming(database, OLD, NEW).run()
    assert await rows() == [(OLD, "thg_1", False)]


async def test_what_is_known_of_a_name_is_events_or_subjects(database, admin, was, event):
    assert not await Renaming(database, OLD, NEW).is_known()
    await was.receive([event()])
    assert await Renaming(database, OLD, NEW).is_known()
    await admin.execute("TRUNCATE inbox")
    await admin.execute("INSERT INTO inbox_sequences VALUES ($1, 'thg_1', 1)", OLD)
    assert await Renaming(database, OLD, NEW).is_known()
