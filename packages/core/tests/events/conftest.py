"""What the tests of this room do again and again: announce something, run a relay, look into the outbox."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from core.clock import SystemClock
from core.database import Database
from core.events import Events, Handlers, Relay

RunRelay = Callable[..., AbstractAsyncContextManager[Relay]]
Emit = Callable[..., Awaitable[None]]
Outbox = Callable[[], Awaitable[list[asyncpg.Record]]]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long: polls follow each other quickly."""
    monkeypatch.setattr("core.events.relay.POLL_S_MIN", 0.01)
    monkeypatch.setattr("core.events.relay.POLL_S_MAX", 0.05)


@pytest.fixture
def emit(database: Database) -> Emit:
    """`await emit("thing.made", subject="thg_1")`: a committed event, of which no relay is told."""

    async def emit_(type_: str, *, subject: str = "thg_1", delay: timedelta = timedelta(0), **data: Any) -> None:
        async with database.transaction() as session:
            events = Events(session, SystemClock(), lambda: None)
            await events.emit(type_, subject=subject, data=data, sequence=1, delay=delay)

    return emit_


@pytest.fixture
def relaying(database: Database) -> RunRelay:
    """`async with relaying(handlers)`: a relay runs until the block ends."""

    @asynccontextmanager
    async def run(handlers: Handlers, resources: Any = None, over: Database = database) -> AsyncIterator[Relay]:
        relay = Relay("example", over, handlers.subscriptions, resources)
        task = asyncio.create_task(relay.run())
        try:
            yield relay
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.wait([task])

    return run


@pytest.fixture
def outbox(admin: asyncpg.Connection) -> Outbox:
    """What the outbox holds, in its order."""

    async def rows() -> list[asyncpg.Record]:
        return await admin.fetch("SELECT *, due_at - now() AS due_in FROM outbox ORDER BY position")

    return rows
