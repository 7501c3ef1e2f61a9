"""Column types, and the names of constraints."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import Column, ForeignKey, Integer, MetaData, Table, UniqueConstraint, insert, select, text
from sqlalchemy.exc import StatementError

from core.database import UtcDateTime, metadata
from core.database.naming import NAMING_CONVENTION

own = MetaData()
moments = Table("moments", own, Column("id", Integer), Column("at", UtcDateTime))
KYIV = timezone(timedelta(hours=2))


@pytest.fixture
async def table(admin):
    await admin.execute("CREATE TABLE moments (id int, at timestamptz)")


async def test_an_instant_comes_back_in_utc(database, table):
    async with database.transaction() as session:
        await session.execute(text("SET LOCAL timezone TO 'Asia/Tokyo'"))
        await session.execute(insert(moments).values(id=1, at=datetime(2026, 5, 1, 14, 0, tzinfo=KYIV)))
        found = await session.scalar(select(moments.c.at))
    assert (found, found.tzinfo) == (datetime(2026, 5, 1, 12, 0, tzinfo=UTC), UTC)


async def test_no_instant_stays_none(database, table):
    async with database.transaction() as session:
        await session.execute(insert(moments).values(id=1, at=None))
        assert await session.scalar(select(moments.c.at)) is None


async def test_an_instant_without_a_time_zone_is_refused(database, table):
    async with database.transaction() as session:
        with pytest.raises(StatementError, match="has no time zone"):
            await session.execute(insert(moments).values(id=1, at=datetime(2026, 5, 1, 14, 0)))  # noqa: DTZ001 - the point


def test_constraints_are_named_so_that_a_migration_can_drop_them():
    tables = metadata()
    parent = Table("parents", tables, Column("id", Integer, primary_key=True))
    child = Table("children", tables, Column("parent_id", ForeignKey(parent.c.id)), UniqueConstraint("parent_id"))
    names = {str(constraint.name) for table in (parent, child) for constraint in table.constraints}
    assert names >= {"pk_parents", "fk_children_parent_id_parents", "uq_children_parent_id"}


def test_two_services_never_share_their_tables():
    assert metadata() is not metadata()
    assert metadata().naming_convention == NAMING_CONVENTION
