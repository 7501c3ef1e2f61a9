"""Reads: what they give, what they refuse, and what a reader who is cancelled leaves behind."""

import asyncio
import enum
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

# As it was before the test kit made it fail.
from time import sleep as stand_still
from typing import Any

import asyncpg
import pytest
from pydantic import BaseModel
from sqlalchemy import ARRAY, Dialect, Enum, Float, Integer, Numeric, bindparam, func, literal, select
from sqlalchemy import literal_column as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator

from core.database import DatabaseUnavailable, Query, UtcDateTime

KYIV = timezone(timedelta(hours=2))


class One(BaseModel):
    one: int


ONE = Query(select(literal(1).label("one")), One)
NUMBERS = Query(select(func.generate_series(1, bindparam("last", type_=Integer)).label("one")), One)
SLEEP = Query(select(literal(1).label("one")).select_from(func.pg_sleep(bindparam("seconds", 30, type_=Float))), One)
ECHO = Query(select(bindparam("value", type_=Integer).label("one")), One)
SLEEPERS = """
    SELECT array_agg(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND query LIKE '%pg_sleep(%' AND state = 'active' AND pid <> pg_backend_pid()
"""


class Colour(enum.Enum):
    RED = "r"
    BLUE = "b"


class Cents(TypeDecorator[int]):
    """Whole cents over a numeric column."""

    impl = Numeric
    cache_ok = True

    def process_result_value(self, value: Decimal | None, dialect: Dialect) -> int | None:
        return None if value is None else int(value * 100)


class Everything(BaseModel):
    colour: Colour
    colours: list[Colour]
    price: Decimal
    prices: list[Decimal]
    ratio: float
    cents: int
    at: datetime
    moments: list[datetime]
    document: dict[str, Any]
    documents: list[Any]
    nothing: Decimal | None


async def test_every_type_comes_back_as_sqlalchemy_gives_it(database, admin):
    await admin.execute("CREATE TYPE colour AS ENUM ('RED', 'BLUE')")
    colour = Enum(Colour)
    everything = select(
        sql("'RED'::colour", colour).label("colour"),
        sql("'{RED,BLUE}'::colour[]", ARRAY(colour)).label("colours"),
        sql("1.10::numeric", Numeric).label("price"),
        sql("'{1.10,2}'::numeric[]", ARRAY(Numeric)).label("prices"),
        sql("0.5::float8", Float).label("ratio"),
        sql("1.25::numeric", Cents).label("cents"),
        sql("'2026-05-01T14:00+02'::timestamptz", UtcDateTime).label("at"),
        sql("'{2026-05-01T14:00+02}'::timestamptz[]", ARRAY(UtcDateTime)).label("moments"),
        sql("""'{"a": [1, null]}'::jsonb""", JSONB).label("document"),
        sql("""'[1, "b"]'::json""", JSONB).label("documents"),
        sql("NULL::numeric", Numeric).label("nothing"),
    )
    found = await database.reads.first(Query(everything, Everything))
    noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
    assert found == Everything(
        colour=Colour.RED,
        colours=[Colour.RED, Colour.BLUE],
        price=Decimal("1.10"),
        prices=[Decimal("1.10"), Decimal(2)],
        ratio=0.5,
        cents=125,
        at=noon,
        moments=[noon],
        document={"a": [1, None]},
        documents=[1, "b"],
        nothing=None,
    )
    assert found.at.tzinfo is UTC


async def test_parameters_are_bound_as_sqlalchemy_binds_them(database, admin):
    class Same(BaseModel):
        same: bool

    moment, document = bindparam("at", type_=UtcDateTime), bindparam("document", type_=JSONB)
    same = (moment == sql("'2026-05-01T12:00Z'::timestamptz")) & (document["a"].astext == "1")
    query = Query(select(same.label("same")), Same)
    given = {"at": datetime(2026, 5, 1, 14, tzinfo=KYIV), "document": {"a": 1}}
    assert await database.reads.first(query, **given) == Same(same=True)
    with pytest.raises(ValueError, match="no time zone"):
        await database.reads.first(query, at=datetime(2026, 5, 1), document={})  # noqa: DTZ001 - the point


async def test_all_gives_every_row_and_first_the_first(database):
    assert [row.one for row in await database.reads.all(NUMBERS, last=3)] == [1, 2, 3]
    assert await database.reads.first(NUMBERS, last=3) == One(one=1)
    assert await database.reads.first(NUMBERS, last=0) is None
    assert await database.reads.all(NUMBERS, last=0) == []


async def test_a_read_cannot_write(database, notes):
    write = Query(select(sql("1 FROM nextval('numbers')", Integer).label("one")), One)
    async with database.reads.pool.acquire() as connection:
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await connection.execute("INSERT INTO notes VALUES ('a')")
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await connection.execute("CREATE SEQUENCE numbers")
    assert write.sql
    assert await notes() == []


async def test_a_read_is_one_statement_and_nothing_else(opened):
    async with opened(read_pool_size=1) as database:
        await database.reads.first(ONE)
        said: list[str] = []
        async with database.reads.pool.acquire() as connection:
            # The pool's proxy forgets its listeners; the connection itself keeps them.
            connection._con.add_query_logger(lambda record: said.append(record.query))
        await database.reads.first(ONE)
        await database.reads.all(NUMBERS, last=2)
    assert said == [ONE.sql, NUMBERS.sql]


async def test_readers_who_are_cancelled_leave_every_connection_usable(opened, admin, becomes):
    async with opened(read_pool_size=2, pool_timeout_s=30) as database:
        readers = [asyncio.create_task(database.reads.first(SLEEP)) for _ in range(6)]
        await becomes(lambda: admin.fetchval(SLEEPERS.replace("array_agg(pid)", "count(*) = 2")))
        for reader in readers:
            reader.cancel()
        outcomes = await asyncio.gather(*readers, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {asyncio.CancelledError}
        async with asyncio.timeout(30):
            assert await asyncio.gather(*(database.reads.first(ONE) for _ in range(6))) == [One(one=1)] * 6
        await becomes(lambda: admin.fetchval(SLEEPERS.replace("array_agg(pid)", "count(*) = 0")))
        assert database.reads.free._value == 2


async def test_a_reader_waits_until_there_is_a_connection(opened):
    async with opened(read_pool_size=1, pool_timeout_s=30) as database:
        readers = [database.reads.first(SLEEP, seconds=0.02), *(database.reads.first(ONE) for _ in range(3))]
        assert await asyncio.gather(*readers) == [One(one=1)] * 4


async def test_a_reader_for_whom_there_is_no_connection_in_time_is_told(opened):
    async with opened(read_pool_size=1, pool_timeout_s=0.1) as database:
        busy = asyncio.create_task(database.reads.first(SLEEP))
        await asyncio.sleep(0)
        async with asyncio.timeout(30):
            late = await asyncio.gather(*(database.reads.first(ONE) for _ in range(3)), return_exceptions=True)
        assert {type(outcome) for outcome in late} == {DatabaseUnavailable}
        busy.cancel()
        await asyncio.wait([busy])
        assert await database.reads.first(ONE) == One(one=1)


async def test_a_read_that_takes_too_long_is_ended(opened):
    async with opened(read_pool_size=1) as database:
        # In place of the setting, under which a busy machine may not even connect.
        async with database.reads.pool.acquire() as connection:
            await connection.execute("SET statement_timeout = 50")
        with pytest.raises(DatabaseUnavailable) as raised:
            await database.reads.first(SLEEP)
        assert "statement timeout" in str(raised.value.__cause__)


async def test_a_value_that_fits_no_parameter_is_our_mistake_and_no_outage(database):
    with pytest.raises(asyncpg.DataError):
        await database.reads.first(ECHO, value=2**40)
    assert await database.reads.first(ECHO, value=2) == One(one=2)


async def test_a_connection_that_is_lost_is_replaced_once_and_then_told(opened, admin, becomes):
    async with opened(read_pool_size=1) as database:
        reading = asyncio.create_task(database.reads.first(SLEEP))
        for _ in range(2):
            [pid] = await becomes(lambda: admin.fetchval(SLEEPERS))
            await admin.execute("SELECT pg_terminate_backend($1, 10000)", pid)
        with pytest.raises(DatabaseUnavailable):
            await reading
        assert await database.reads.first(ONE) == One(one=1)


async def test_no_read_fails_of_connections_that_died_while_nobody_looked(opened, admin):
    ours = "FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'under test'"
    async with opened(read_pool_size=5) as database:
        await asyncio.gather(*(database.reads.first(SLEEP, seconds=0.01) for _ in range(5)))
        ending = asyncio.create_task(admin.execute(f"SELECT pg_terminate_backend(pid, 10000) {ours}"))
        await asyncio.sleep(0)
        # The loop stands still while that is done, and knows nothing of it.
        asyncio.get_running_loop().call_soon(stand_still, 0.3)
        assert await asyncio.gather(*(database.reads.first(ONE) for _ in range(5))) == [One(one=1)] * 5
        await ending
