"""What waits for a handler that is not here, while a replica of another version has it still."""

from core.events import Catalogue, Handlers, Inbox
from core.events.upkeep.orphans import Orphans


async def nothing(_event, _resources):
    """A handler of the other version."""


async def test_what_another_version_handles_at_this_moment_is_left_to_it(database, admin, event):
    handlers = Handlers()
    handlers.on("thing.made", source="shop")(nothing)
    await Inbox("example", database, handlers.subscriptions).receive([event(subject="thg_1"), event(subject="thg_2")])
    async with admin.transaction():
        await admin.execute("UPDATE inbox SET handled_at = now() WHERE subject = 'thg_1'")
        orphans = Orphans(database, Catalogue.of("example"))
        assert [page async for page in orphans.discard(f"{__name__}.nothing")] == [1]
