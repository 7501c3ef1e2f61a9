"""What a write costs: a committed transaction against plain SQLAlchemy, an idempotent POST against a plain one."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path

import uvloop
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine

from bench import bare
from bench.asking import Request, asking
from bench.databases import a_database
from bench.figures import Group, Ratio, Samples
from bench.rounds import Call, in_turn
from bench.rows import Row
from bench.service import create_app
from bench.tokens import tokens
from bench.wiring import log_that_is_read
from core.database import Database
from core.dependencies.resources import STATE
from core.ids import new_id
from core.lifespan import started


def run() -> Samples:
    """Measures all subjects in turn, by the clock: most of the time is PostgreSQL's."""
    with log_that_is_read(), tempfile.TemporaryDirectory() as folder, a_database("writes") as url:
        return uvloop.run(_run(url, Path(folder)))


async def _run(url: str, folder: Path) -> Samples:
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1))
    app = create_app(url, folder)
    async with started(app, name="bench") as state:
        headers = {"authorization": f"Bearer {tokens(folder, 1)[0]}"}
        plain = Request("POST", "/rows", bare.ORDER, headers)
        keyed = Request("POST", "/rows/once", bare.ORDER, headers, key=lambda: str(new_id()))
        subjects: dict[str, Call] = {
            "SQLAlchemy": _plain(engine),
            "transaction": _transaction(state[STATE].database),
            "POST": await asking(app, plain, status=201, state=state),
            "idempotent POST": await asking(app, keyed, status=201, state=state),
        }
        samples = await in_turn(subjects, rounds=15, calls=50, waits=True)
    await engine.dispose()
    return samples


def _plain(engine: AsyncEngine) -> Call:
    sessions = async_sessionmaker(engine, expire_on_commit=False)

    async def call() -> None:
        async with sessions() as session, session.begin():
            session.add(_row())

    return call


def _transaction(database: Database) -> Call:
    async def call() -> None:
        async with database.transaction() as session:
            session.add(_row())

    return call


def _row() -> Row:
    return Row(id=new_id(), name="a row", amount_minor=100, created_at=datetime.now(UTC))


GROUP = Group(
    title="Writes, in process, on a PostgreSQL that syncs nothing",
    unit="µs",
    run=run,
    figures=[
        Ratio("one row committed", "transaction", "SQLAlchemy"),
        Ratio("the same behind an authenticated POST", "POST", "SQLAlchemy"),
        Ratio("idempotent", "idempotent POST", "POST"),
    ],
)
