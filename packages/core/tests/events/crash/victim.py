"""The process that is killed: a service that announces, one that handles, or both, on the real parts of each."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing import parent_process
from multiprocessing.synchronize import Barrier
from secrets import SystemRandom
from typing import Any

import uvloop
from death import Death, MortalBus, MortalInbox
from meeting import MeetingBus
from sqlalchemy import BigInteger, Column, Identity, Table, Text, Uuid, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from core.clock import SystemClock
from core.database import Database, DatabaseUnavailable, metadata, open_database
from core.events import Announced, Announcements, Catalogue, Dispatcher, Event, Handlers, Outbox, Relay
from core.events.bus import Bus, open_bus
from core.events.tables import outbox
from core.settings import DatabaseSettings, EventSettings
from core.telemetry.logs import logging_to

tables = metadata()
things = Table("things", tables, Column("id", Text, primary_key=True), Column("version", BigInteger, nullable=False))
applied = Table(
    "applied",
    tables,
    Column("at", BigInteger, Identity(), primary_key=True),
    Column("handler", Text, nullable=False),
    Column("event_id", Uuid, nullable=False),
    Column("subject", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
)
CHANGE = (
    insert(things)
    .values(version=1)
    .on_conflict_do_update(index_elements=["id"], set_={"version": things.c.version + 1})
    .returning(things.c.version)
)
# What is changed in one transaction, and the share of transactions whose events nobody may ever see.
CHANGES, REGRETTED = 4, 0.1

announcements = Announcements()


@announcements.tells("thing.changed")
class ThingState(Announced):
    """A thing is its version."""

    version: int


class Regretted(Exception):
    """A change that is rolled back."""


class Poisoned(Exception):
    """An event that cannot be handled."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """What one process does; a service whose database it is not given runs elsewhere."""

    bus: str
    stream: str
    log: str
    producer: str | None = None
    consumer: str | None = None
    # It makes changes until so many events are committed, and regrets some before they are.
    events: int = 0
    subjects: int = 25
    death: Death = field(default_factory=Death)
    # The subject and the sequence of an event that nobody can handle, and whether to try ends the process.
    poison: tuple[str, int] | None = None
    is_deadly: bool = False
    # Those of the product that would make a test wait.
    constants: Mapping[str, Any] = field(default_factory=dict)
    # Where replicas, which do nothing but publish, wait for each other before they do.
    together: Barrier | None = None


def play(part: Part) -> None:
    """Runs until it is killed; what it prints is in its log."""
    log = os.open(part.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, sys.stdout.fileno())
    os.dup2(log, sys.stderr.fileno())
    for name, value in part.constants.items():
        module, _, constant = name.rpartition(".")
        setattr(import_module(module), constant, value)
    part.death.around_leases()

    def write(line: bytes) -> None:
        os.write(log, line)

    with logging_to(write, level="info", form="json"):
        uvloop.run(_play(part))


async def _play(part: Part) -> None:
    parent = parent_process()
    # For the types: this is a child of the test run, which is the only one to start it.
    assert parent is not None
    # Nobody else ends it when the test run has been killed itself.
    asyncio.get_running_loop().add_reader(parent.sentinel, os._exit, 1)
    settings = EventSettings.model_validate({"url": part.bus, "stream": part.stream})
    async with open_bus(settings, name="victim") as opened:
        bus: Bus = MortalBus(opened, part.death)
        if part.together:
            bus = MeetingBus(bus, part.together)
        # Before the producer: a local bus carries nothing to whoever comes later.
        async with _consuming(part, bus), _producing(part, bus):
            await asyncio.Event().wait()


@asynccontextmanager
async def _consuming(part: Part, bus: Bus) -> AsyncIterator[None]:
    if part.consumer is None:
        yield
        return
    async with _database(part.consumer) as database:
        part.death.within_storage(database)
        catalogue = Catalogue.of("consumer", handlers=[_handlers(part)])
        inbox = MortalInbox("consumer", database, catalogue.subscriptions, death=part.death)
        async with bus.feeding(inbox), asyncio.TaskGroup() as group:
            if part.together is None:
                group.create_task(Dispatcher(inbox=inbox, resources=database).run())
            yield


@asynccontextmanager
async def _producing(part: Part, bus: Bus) -> AsyncIterator[None]:
    if part.producer is None:
        yield
        return
    async with _database(part.producer) as database:
        catalogue = Catalogue.of("producer", announces=[announcements], handlers=[_own_handlers()])
        box = catalogue.outbox(SystemClock())
        inbox = MortalInbox("producer", database, catalogue.subscriptions)
        relay = Relay(
            service="producer", database=database, types=catalogue.announced, own=inbox, bus=bus, awake=box.awake
        )
        async with bus.feeding(inbox), asyncio.TaskGroup() as group:
            group.create_task(relay.run())
            group.create_task(_change(part, database, box))
            if part.together is None:
                group.create_task(Dispatcher(inbox=inbox, resources=database).run())
            yield


@asynccontextmanager
async def _database(url: str) -> AsyncIterator[Database]:
    settings = {"url": url, "pool_size": 8, "read_pool_size": 1, "pool_timeout_s": 30, "connect_timeout_s": 60}
    async with open_database(DatabaseSettings.model_validate(settings), name="victim") as database:
        yield database


def _handlers(part: Part) -> Handlers:
    handlers = Handlers()

    @handlers.once("thing.changed", source="producer")
    async def apply_once(event: Event, session: AsyncSession, resources: Database) -> None:
        if (event.subject, event.sequence) == part.poison:
            if part.is_deadly:
                Death("here").at("here")
            raise Poisoned
        await _apply(session, event, "once")
        part.death.around_commit(session, "an effect")

    @handlers.on("thing.changed", source="producer")
    async def apply(event: Event, resources: Database) -> None:
        async with resources.transaction() as session:
            await _apply(session, event, "on")
        part.death.at("after an effect without a transaction")

    return handlers


def _own_handlers() -> Handlers:
    """What the producer does later itself."""
    handlers = Handlers()

    @handlers.once("thing.changed")
    async def apply_once(event: Event, session: AsyncSession, resources: Database) -> None:
        await _apply(session, event, "once")

    return handlers


async def _apply(session: AsyncSession, event: Event, handler: str) -> None:
    told = {"handler": handler, "event_id": event.id, "subject": event.subject, "sequence": event.sequence}
    await session.execute(insert(applied), told)


async def _change(part: Part, database: Database, box: Outbox) -> None:
    """One change after the other, as requests would; how many were committed, the outbox says."""
    chance = SystemRandom()
    missing = part.events
    while missing > 0:
        try:
            async with database.statement() as connection:
                missing = part.events - (await connection.scalar(select(func.count()).select_from(outbox)) or 0)
            for _ in range(0, missing, CHANGES):
                await _change_some(part, database, box, chance)
        except DatabaseUnavailable:
            # Whether the last change was committed is not known.
            await asyncio.sleep(0.05)


async def _change_some(part: Part, database: Database, box: Outbox, chance: SystemRandom) -> None:
    changed = chance.sample(range(part.subjects), CHANGES)
    with suppress(Regretted):
        async with database.transaction() as session:
            for number in sorted(changed):
                subject = f"thg_{number}"
                version = await session.scalar(CHANGE, {"id": subject})
                state = ThingState(version=version)
                await box.events(session).emit("thing.changed", subject=subject, data=state, sequence=version)
            if chance.random() < REGRETTED:
                raise Regretted
            part.death.around_commit(session, "a change")
