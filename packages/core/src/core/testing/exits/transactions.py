"""Operations whose transaction, connection or pool fails, or whose refusal says what becomes of what they wrote."""

import asyncio
from contextlib import AsyncExitStack, suppress

import structlog
from fastapi import Request
from pydantic import BaseModel
from sqlalchemy import case, func, literal, select, text
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from core.database import Query
from core.dependencies import Caller, ReadSession, ResourcesDep, Session, idempotent
from core.errors import Conflict
from core.events import Outbox
from core.testing.exits.operations import Thing
from core.testing.open_router import OpenRouter

log = structlog.get_logger("core.testing")


class Kept(Conflict):
    """A refusal that keeps what was written."""

    code = "kept"
    keeps_changes = True


class Number(BaseModel):
    """A number."""

    n: int


ONE = Query(select(literal(1).label("n")), Number)
# Ends as it would at its time limit, which nothing but the settings sets for a read; and at once.
_CUT_OFF = func.pg_sleep(case((func.pg_cancel_backend(func.pg_backend_pid()), 60.0)))
_SLOW = Query(select(literal(1).label("n")).select_from(_CUT_OFF), Number)

transactions = OpenRouter(prefix="/v1/exits", tags=["exits"])


@transactions.post("/written")
async def written(session: Session) -> Number:
    # COMMIT takes as long as the test wants: the trigger is deferred.
    await session.execute(text("INSERT INTO conformance_slow VALUES (1)"))
    return Number(n=1)


@transactions.post("/once")
@idempotent
async def once(thing: Thing, caller: Caller, session: Session, resources: ResourcesDep) -> Number:
    """Announces what it was sent by its length alone."""
    # The service that is tested does not declare it.
    outbox = Outbox(clock=resources.clock, deferred=["conformance.once"])
    await outbox.events(session).emit("conformance.once", subject=caller.subject, data={"length": len(thing.name)})
    return Number(n=1)


@transactions.get("/careless")
async def careless(request: Request, resources: ResourcesDep) -> Number:
    # The mistake that is tested: what a library might log, or put into the text of its errors.
    url = resources.settings.database.url.get_secret_value()
    headers = dict(request.headers)
    log.warning("connecting", url=url, headers=headers, secret_key=resources.settings.secret_key)
    raise RuntimeError(f"{url} refused {headers}")


@transactions.post("/commit-fails")
async def commit_fails(session: Session) -> Number:
    # Deferred: the database refuses at COMMIT, when the handler has long returned.
    await session.execute(text("CREATE TABLE conformance_once (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)"))
    await session.execute(text("INSERT INTO conformance_once VALUES (1), (1)"))
    return Number(n=1)


@transactions.post("/refused")
async def refused(session: Session) -> Number:
    await session.execute(text("CREATE TABLE conformance_refused ()"))
    raise Conflict


@transactions.post("/kept")
async def kept(session: Session) -> Number:
    await session.execute(text("CREATE TABLE IF NOT EXISTS conformance_kept ()"))
    raise Kept


@transactions.get("/one")
async def one(session: Session) -> Number:
    return Number(n=await session.scalar(text("SELECT 1")) or 0)


@transactions.post("/slow-statement")
async def slow_statement(session: Session) -> Number:
    await session.execute(text("SET LOCAL statement_timeout = '50ms'"))
    return Number(n=await session.scalar(text("SELECT 1 FROM pg_sleep(60)")) or 0)


@transactions.get("/slow-read")
async def slow_read(reads: ReadSession) -> Number | None:
    return await reads.first(_SLOW)


@transactions.post("/lost-connection")
async def lost_connection(session: Session) -> Number:
    return Number(n=await session.scalar(text("SELECT 1 FROM pg_terminate_backend(pg_backend_pid())")) or 0)


@transactions.get("/no-connection-left")
async def no_connection_left(resources: ResourcesDep, session: Session) -> Number:
    async with AsyncExitStack() as all_of_them:
        taken = 0
        while taken < resources.settings.database.pool_size:
            # The service's own work may have one for longer than others wait.
            with suppress(PoolTimeoutError):
                await all_of_them.enter_async_context(resources.database.engine.connect())
                taken += 1
        return await one(session)


@transactions.get("/no-reader-left")
async def no_reader_left(resources: ResourcesDep, reads: ReadSession) -> Number | None:
    async with AsyncExitStack() as all_of_them:
        for _ in range(resources.settings.database.read_pool_size):
            await all_of_them.enter_async_context(reads.free)
        await asyncio.sleep(0)
        return await reads.first(ONE)
