"""A service forgets what it told itself about somebody: with the rest of the erasure, or not at all."""

import asyncio

import pytest

from core.clock import SystemClock
from core.errors import Conflict
from core.events import Handlers, Outbox


async def test_every_event_about_a_subject_is_erased_with_the_change_and_no_other(
    database, emit, arrive, event, admin, outbox, inbox
):
    handlers = Handlers()

    @handlers.on("thing.made", source="shop")
    async def handle(*_: object) -> None:
        """Never runs."""

    events = Outbox(clock=SystemClock()).events
    for subject in ("thg_1", "thg_2"):
        await emit("mail.asked", "mail.asked", subject=subject)
        await arrive(handlers, event(subject=subject), event(subject=subject), event(subject=subject))
    # Waiting, handled and dead.
    await admin.execute("UPDATE outbox SET sent_at = now() WHERE position % 2 = 1")
    await admin.execute("UPDATE inbox SET handled_at = now() WHERE position % 3 = 1")
    await admin.execute("UPDATE inbox SET dead_at = now(), last_error = 'refused: ada' WHERE position % 3 = 2")

    async def erase(*, then: Exception | None) -> None:
        async with database.transaction() as session:
            await events(session).erase("thg_1")
            if then is not None:
                raise then

    with pytest.raises(Conflict):
        await erase(then=Conflict())
    assert (len(await outbox()), len(await inbox())) == (4, 6)
    await erase(then=None)
    assert [row["subject"] for row in (*await outbox(), *await inbox())] == ["thg_2"] * 5


async def test_an_event_that_is_erased_while_it_is_handled_is_gone(
    database, arrive, event, dispatching, begun, deliveries, inbox, becomes
):
    go_on = asyncio.Event()
    deliveries.then = lambda _: go_on.wait()
    async with dispatching(deliveries.handlers):
        await arrive(deliveries.handlers, event(name="chair"))
        await begun()
        async with database.transaction() as session:
            await Outbox(clock=SystemClock()).events(session).erase("thg_1")
        go_on.set()
        await arrive(deliveries.handlers, event(name="table"))

        async def both_were_handled() -> bool:
            return [row["handled_at"] is not None for row in await inbox()] == [True]

        await becomes(both_were_handled)
    assert deliveries.seen == ["chair", "table"]
