"""A process that is killed in the middle of a handler: real processes, and the signal that nobody can catch."""

import asyncio
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE

import pytest
from sqlalchemy import text

from core.events import Event, Handlers

LEASE_S = 1.0
RELAY = """
import asyncio, sys
from datetime import timedelta
from sqlalchemy import text
from core.database import open_database
from core.events import Handlers, Relay, relay
from core.settings import DatabaseSettings

relay.LEASE = timedelta(seconds=float(sys.argv[2]))
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
    killed = await asyncio.create_subprocess_exec(
        sys.executable, "-c", RELAY, database_url, str(LEASE_S), stdout=PIPE, stdin=DEVNULL
    )
    assert killed.stdout is not None
    assert await killed.stdout.readline() == b"in the middle\n"
    claimed = time.monotonic()
    killed.kill()
    await killed.wait()
    async with relaying(noting):
        await becomes(lambda: admin.fetchval("SELECT sent_at FROM outbox"))
    assert 0.7 * LEASE_S < time.monotonic() - claimed < 2 * LEASE_S
    assert [row["text"] for row in await admin.fetch("SELECT text FROM notes")] == ["survived"]
    assert await admin.fetchval("SELECT attempts FROM outbox") == 2
