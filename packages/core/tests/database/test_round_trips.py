"""How often a request waits for PostgreSQL, counted on the wire."""

import pytest
from counting import counting
from pydantic import BaseModel
from sqlalchemy import Integer, bindparam, literal, select, text

from core.database import Query, open_database
from core.settings import DatabaseSettings


class One(BaseModel):
    one: int


ONE = Query(select(literal(1).label("one")), One)
ECHO = Query(select(bindparam("value", type_=Integer).label("one")), One)


@pytest.fixture
async def counted(database_url):
    async with counting(database_url) as counted:
        yield counted


@pytest.fixture
async def database(counted):
    settings = DatabaseSettings.model_validate({"url": counted.url, "pool_size": 1, "read_pool_size": 1})
    async with open_database(settings, name="counted") as database:
        yield database


async def test_a_read_is_one_round_trip_and_no_transaction(database, counted):
    await database.reads.first(ONE)
    await database.reads.all(ECHO, value=1)
    counted.clear()
    for value in range(3):
        await database.reads.first(ONE)
        await database.reads.all(ECHO, value=value)
    assert (counted.round_trips, counted.statements) == (6, [])


async def test_a_write_is_its_statement_between_begin_and_commit(database, counted):
    async def write() -> None:
        async with database.transaction() as session:
            await session.execute(text("SELECT 1"))

    await write()
    counted.clear()
    await write()
    assert (counted.round_trips, counted.statements) == (3, ["BEGIN;", "COMMIT;"])


async def test_a_transaction_without_a_statement_is_no_round_trip(database, counted):
    counted.clear()
    async with database.transaction():
        pass
    assert (counted.round_trips, counted.statements) == (0, [])
