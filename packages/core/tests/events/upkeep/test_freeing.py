"""What a dead process held is attempted again at once, where nobody else can hold it."""

from core.events import Handlers, Inbox
from core.events.upkeep.freeing import free_leases

HELD = """
    UPDATE inbox SET attempts = 1, leased_until = now() + interval '1 minute';
    INSERT INTO bus_positions VALUES ('events', 7, gen_random_uuid(), now() + interval '1 minute')
"""


async def test_what_was_held_is_handled_at_once(event, dispatching, database, admin, becomes, database_url):
    handlers, handled = Handlers(), []

    @handlers.on("thing.made", source="shop")
    async def handle(event, _resources) -> None:
        handled.append(event.id)

    held = event()
    await Inbox("example", database, handlers.subscriptions).receive([held])
    await admin.execute(HELD)
    await free_leases(database_url)
    async with dispatching(handlers):
        await becomes(lambda: admin.fetchval("SELECT handled_at FROM inbox"))
    assert handled == [held.id]
    assert await admin.fetchval("SELECT leased_until <= now() AND position = 7 FROM bus_positions")


async def test_a_database_without_events_has_nothing_to_free(admin, database_url):
    await admin.execute("DROP TABLE inbox")
    await admin.execute("INSERT INTO bus_positions VALUES ('events', 7, NULL, now() + interval '1 minute')")
    await free_leases(database_url)
    assert await admin.fetchval("SELECT leased_until <= now() FROM bus_positions")
