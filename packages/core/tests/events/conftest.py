"""What the tests of this room do again and again: announce something, let it arrive, run a relay or a dispatcher."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from core.clock import SystemClock
from core.database import Database
from core.events import Dispatcher, Event, Handlers, Inbox, Outbox, Relay
from core.events.bus import Bus

# Rooms whose tests share more than fixtures.
sys.path[:0] = [str(Path(__file__).parent / room) for room in ("bus", "crash")]

Run = Callable[..., AbstractAsyncContextManager[Any]]
Emit = Callable[..., Awaitable[None]]
Arrive = Callable[..., Awaitable[Event]]
Rows = Callable[[], Awaitable[list[asyncpg.Record]]]
MOMENT = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long: polls follow each other quickly."""
    monkeypatch.setattr("core.events.queues.polling.POLL_S_MIN", 0.01)
    monkeypatch.setattr("core.events.queues.polling.POLL_S_MAX", 0.05)
    monkeypatch.setattr("core.events.queues.outcomes.PAUSE_S", 0.01)


@pytest.fixture
def emit(database: Database) -> Emit:
    """`await emit("thing.made", subject="thg_1")`: a committed event, of which no relay is told."""

    async def emit_(*types: str, subject: str = "thg_1", delay: timedelta = timedelta(0), **data: Any) -> None:
        outbox = Outbox(clock=SystemClock(), deferred=types)
        async with database.transaction() as session:
            for type_ in types:
                await outbox.events(session).emit(type_, subject=subject, data=data, sequence=1, delay=delay)

    return emit_


@pytest.fixture
def event() -> Callable[..., Event]:
    """`event(subject="thg_1", sequence=2, name="chair")`: of the service `shop`, with a new id."""
    ids = count(1)

    def event_(*, subject: str = "thg_1", sequence: int = 0, type_: str = "thing.made", **data: Any) -> Event:
        identity = {"id": UUID(int=next(ids)), "type": type_, "source": "shop", "time": MOMENT}
        return Event(**identity, subject=subject, sequence=sequence, data=data)

    return event_


@asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    """It runs until the block ends, and not less long."""
    task = asyncio.create_task(work)
    try:
        yield task
        assert not task.done() or task.cancelled()
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.fixture
def relaying(database: Database) -> Run:
    """`async with relaying(bus, types={"thing.made"})`: a relay of `example` runs until the block ends."""

    @asynccontextmanager
    async def run(
        bus: Bus | None = None, *, handlers: Handlers | None = None, types: Sequence[str], over: Any = database
    ) -> AsyncIterator[Relay]:
        own = Inbox("example", over, handlers.subscriptions if handlers else [])
        about = {"service": "example", "types": types, "own": own, "bus": bus}
        relay = Relay(**about, database=over, awake=asyncio.Event())
        async with running(relay.run()):
            yield relay

    return run


@pytest.fixture
def dispatching(database: Database) -> Run:
    """`async with dispatching(handlers)`: a dispatcher of `example` runs until the block ends."""

    @asynccontextmanager
    async def run(handlers: Handlers, resources: Any = None, over: Any = database) -> AsyncIterator[Dispatcher]:
        dispatcher = Dispatcher(inbox=Inbox("example", over, handlers.subscriptions), resources=resources)
        async with running(dispatcher.run()):
            yield dispatcher

    return run


@pytest.fixture
def outbox(admin: asyncpg.Connection) -> Rows:
    """What the outbox holds, in its order."""
    return lambda: admin.fetch("SELECT *, due_at - now() AS due_in FROM outbox ORDER BY position")


@pytest.fixture
def inbox(admin: asyncpg.Connection) -> Rows:
    """What the inbox holds, in its order."""
    return lambda: admin.fetch("SELECT *, due_at - now() AS due_in FROM inbox ORDER BY position")


@pytest.fixture
def logged(logs: list[dict[str, Any]], becomes: Callable[..., Awaitable[Any]]) -> Callable[[str], Awaitable[Any]]:
    """`await logged("…")`: returns when a line says that."""

    async def has(text: str) -> bool:
        return any(line["event"] == text for line in logs)

    return lambda text: becomes(lambda: has(text))
