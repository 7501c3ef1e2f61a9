"""A process that is killed in the middle of a handler: real processes, and the signal that nobody can catch."""

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE

import pytest
from sqlalchemy import text

from core.events import Event, Handlers

RELAY = """
import asyncio, sys
from sqlalchemy import text
from core.database import open_database
from core.events import Handlers, Relay
from core.settings import DatabaseSettings

handlers = Handlers()

@handlers.once("thing.made")
async def note(event, session, resources):
    await session.execute(text("INSERT INTO notes VALUES ('killed')"))
    print("in the middle", flush=True)
    await asyncio.sleep(60)

async def main():
    async with open_database(DatabaseSettings(url=sys.argv[1]), name="killed") as database:
        await Relay("example", database, handlers.subscriptions, None).run()

asyncio.run(main())
"""


@pytest.fixture
def noting() -> Handlers:
    handlers = Handlers()

    @handlers.once("thing.made")
    async def note(event: Event, session, resources) -> None:
        await session.execute(text("INSERT INTO notes VALUES ('survived')"))

    return handlers


async def test_another_relay_takes_over_when_the_lease_has_run_out(
    database_url, emit, noting, relaying, admin, becomes
):
    await admin.execute("CREATE TABLE notes (text text)")
    await emit("thing.made")
    killed = await asyncio.create_subprocess_exec(sys.executable, "-c", RELAY, database_url, stdout=PIPE, stdin=DEVNULL)
    assert killed.stdout is not None
    assert await killed.stdout.readline() == b"in the middle\n"
    killed.kill()
    await killed.wait()
    async with relaying(noting):
        await asyncio.sleep(0.2)
        assert await admin.fetchval("SELECT leased_until > now() FROM outbox")
        await admin.execute("UPDATE outbox SET leased_until = now()")
        await becomes(lambda: admin.fetchval("SELECT sent_at FROM outbox"))
    assert [row["text"] for row in await admin.fetch("SELECT text FROM notes")] == ["survived"]
    assert await admin.fetchval("SELECT attempts FROM outbox") == 2
