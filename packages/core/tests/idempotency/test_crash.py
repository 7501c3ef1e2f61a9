"""A process that is killed while it works for keys: at each step another can go on, and no effect happens twice."""

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE

import pytest
from sqlalchemy import text

from core.idempotency import Answer, Claim, Claims, IdempotencyInFlight, Ticket

STEPS = ("claimed", "worked", "answered", "committed")
WORKER = """
import asyncio, sys
from sqlalchemy import text
from core.database import open_database
from core.idempotency import Answer, Claims, Ticket
from core.settings import DatabaseSettings

async def main():
    arrived = asyncio.Semaphore(0)

    async def stop():
        arrived.release()
        await asyncio.sleep(60)

    async def work(step):
        claim = await keys.claim(Ticket(scope="scope", key=step, fingerprint=b"one"))
        async with database.transaction() as session:
            if step == "claimed":
                await stop()
            await session.execute(text("INSERT INTO notes VALUES (:step)"), {"step": step})
            if step == "worked":
                await stop()
            await keys.complete(session, claim, Answer(201, "text/plain", step.encode()))
            if step == "answered":
                await stop()
        await stop()

    async with open_database(DatabaseSettings(url=sys.argv[1]), name="killed") as database:
        keys = Claims(database)
        steps = sys.argv[2:]
        tasks = [asyncio.create_task(work(step)) for step in steps]
        for _ in steps:
            await arrived.acquire()
        print("in the middle", flush=True)
        await asyncio.gather(*tasks)

asyncio.run(main())
"""


@pytest.fixture
async def killed(database_url, admin) -> None:
    """A worker has been killed: for each key when it had come to the step that is the key."""
    await admin.execute("CREATE TABLE notes (text text)")
    command = [sys.executable, "-c", WORKER, database_url, *STEPS]
    worker = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stdin=DEVNULL)
    assert worker.stdout is not None
    assert await worker.stdout.readline() == b"in the middle\n"
    worker.kill()
    await worker.wait()


async def test_what_a_killed_process_left_is_done_once_by_the_next(killed, database, admin):
    keys = Claims(database)

    async def retry(step: str) -> Answer:
        claim = await keys.claim(Ticket(scope="scope", key=step, fingerprint=b"one"))
        if not isinstance(claim, Claim):
            return claim
        async with database.transaction() as session:
            await session.execute(text("INSERT INTO notes VALUES (:step)"), {"step": step})
            await keys.complete(session, claim, Answer(201, "text/plain", b"retried"))
        return Answer(201, "text/plain", b"retried")

    async def outcome(step: str) -> bytes:
        try:
            return (await retry(step)).body
        except IdempotencyInFlight:
            return b"in flight"

    waiting = [b"in flight"] * 3
    assert [await outcome(step) for step in STEPS] == [*waiting, b"committed"]
    await admin.execute("UPDATE idempotency_keys SET leased_until = now() WHERE status IS NULL")
    done = [b"retried"] * 3
    for _ in range(2):
        assert [await outcome(step) for step in STEPS] == [*done, b"committed"]
    assert sorted(row["text"] for row in await admin.fetch("SELECT text FROM notes")) == sorted(STEPS)
