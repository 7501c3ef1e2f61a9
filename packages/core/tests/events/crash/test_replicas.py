"""Relays that work on one outbox at once."""

import asyncio
import time
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func
from stage import processes

from core.clock import SystemClock
from core.database import open_database
from core.events import Outbox
from core.events.queues import OUTBOX, Leases
from core.settings import DatabaseSettings

REPLICAS = 3
# Nobody dies here, and who waits for the others keeps what it has claimed.
LEASE = timedelta(minutes=1)
WAITING = """
    SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database
    WHERE NOT granted AND locktype = 'advisory' AND datname = current_database()
"""


@pytest.mark.parametrize("replicas", [1, REPLICAS])
async def test_relays_share_their_work_and_nothing_is_published_twice(stage, replicas):
    together = processes.Barrier(replicas + 1)
    # Enough batches, and enough subjects, for all of them.
    constants = {
        "core.events.outbox.relay.EVENTS_MAX": min(200, stage.events // 20),
        "core.events.queues.leases.LEASE": LEASE,
    }
    part = {"together": together, "subjects": stage.events, "constants": constants}
    for number in range(replicas):
        await stage.start(stage.casts[-1], events=0 if number else stage.events, **part)
    await stage.committed(stage.events)
    await asyncio.to_thread(together.wait, 60)
    began = time.monotonic()
    await stage.sent(stage.events)
    stage.figures.append(f"{stage.events / (time.monotonic() - began):.0f} events/s")
    published = [line for line in stage.logged() if line["event"] == "published"]
    assert len({line["replica"] for line in published}) == replicas
    committed = await stage.databases["producer"].fetchval("SELECT count(*) FROM outbox")
    assert sum(line["events"] for line in published) == committed


@pytest.mark.parametrize("bus", ["local"], indirect=True)
async def test_what_another_replica_takes_meanwhile_is_not_taken_twice(stage, becomes):
    settings = DatabaseSettings.model_validate({"url": stage.urls["producer"]})
    async with open_database(settings, name="test") as database, stage.databases["producer"].acquire() as gate:
        async with database.transaction() as session:
            box = Outbox(clock=SystemClock(), deferred=["thing.changed"])
            await box.events(session).emit("thing.changed", subject="thg_1", data={})
        await gate.execute("SELECT pg_advisory_lock(1)")
        # One that has begun to look, and goes on when the other has committed what it took.
        slow = replace(OUTBOX, where=lambda _: func.pg_advisory_xact_lock_shared(1).is_not(None))
        claim = asyncio.create_task(Leases("producer", database, slow).claim(10))
        await becomes(lambda: gate.fetchval(WAITING))
        assert len(await Leases("producer", database, OUTBOX).claim(10)) == 1
        await gate.execute("SELECT pg_advisory_unlock(1)")
        assert await claim == []
