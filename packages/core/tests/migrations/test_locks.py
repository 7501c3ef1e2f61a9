"""A migration of a database that others use: it waits for nobody for long, and leaves nothing half done."""

import asyncio
import logging

import asyncpg
import pytest
from schemas import run
from sqlalchemy.exc import DBAPIError

from core.migrations import MigrationError

CUSTOMERS = 'op.execute("CREATE TABLE customers (id int PRIMARY KEY, name text)")'
INDEXED = """
    with op.get_context().autocommit_block():
        op.create_index(
            "ix_customers_name", "customers", ["name"], unique=True, postgresql_concurrently=True, if_not_exists=True
        )
"""
VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('ix_customers_name')"


@pytest.fixture
async def customers(package, database_url):
    """A table that is there, and a migration of it that is to come."""
    package.migration("0001_start", CUSTOMERS)
    await package.migrations().upgrade(database_url)
    package.migration("0002_emails", 'op.execute("ALTER TABLE customers ADD email text")', after="0001_start")
    return package.migrations()


@pytest.fixture
async def reader(database_url):
    """Somebody who has read the table in a transaction that goes on."""
    connection = await asyncpg.connect(database_url)
    transaction = connection.transaction()
    await transaction.start()
    yield connection
    await connection.close()


async def test_readers_go_on_while_a_migration_waits_for_a_long_transaction(customers, database_url, reader, caplog):
    await reader.fetch("SELECT * FROM customers")
    upgrading = asyncio.create_task(customers.upgrade(database_url, lock_timeout_ms=200))
    others = await asyncpg.connect(database_url)
    async with asyncio.timeout(30):
        # It has waited, and gone out of the way again, more than once.
        while caplog.messages.count("migration_waits_for_a_lock") < 2:
            await others.fetch("SELECT * FROM customers")
            await asyncio.sleep(0.01)
        assert not upgrading.done()
        await reader.execute("COMMIT")
        assert await upgrading == ["0002_emails"]
    await others.close()


async def test_a_lock_that_is_never_free_ends_the_migration_and_is_explained(customers, database_url, reader):
    await reader.fetch("SELECT * FROM customers")
    with pytest.raises(
        MigrationError, match=r"for 0\.1 s that this needs: ALTER TABLE customers ADD email text\. Every"
    ):
        await customers.upgrade(database_url, lock_timeout_ms=100, lock_wait_s=0.1)
    await reader.execute("COMMIT")
    assert await customers.upgrade(database_url) == ["0002_emails"]


async def test_what_is_wrong_otherwise_is_not_tried_again(package, customers, database_url, caplog):
    package.migration("0003_broken", 'op.execute("SELECT 1/0")', after="0002_emails")
    with pytest.raises(DBAPIError, match="division by zero"):
        await package.migrations().upgrade(database_url)
    assert "migration_waits_for_a_lock" not in caplog.messages
    assert await customers.current(database_url) == "0002_emails"


async def test_an_index_that_was_left_half_built_is_built_anew(package, customers, database_url, caplog):
    await customers.upgrade(database_url)
    package.migration("0003_index", INDEXED, after="0002_emails")
    await run(database_url, "INSERT INTO customers VALUES (1, 'Ada'), (2, 'Ada')")
    with pytest.raises(DBAPIError, match="could not create unique index"):
        await package.migrations().upgrade(database_url)
    assert [row["indisvalid"] for row in await run(database_url, VALID)] == [False]
    await run(database_url, "DELETE FROM customers WHERE id = 2")
    with caplog.at_level(logging.WARNING):
        assert await package.migrations().upgrade(database_url) == ["0003_index"]
    assert [row["indisvalid"] for row in await run(database_url, VALID)] == [True]
    assert [each.index for each in caplog.records if each.message == "invalid_index_dropped"] == ["ix_customers_name"]


async def test_an_index_that_somebody_is_building_is_left_to_them(package, customers, database_url, reader):
    # Who builds waits for this transaction, and has an index that is not valid until then.
    await reader.execute("INSERT INTO customers VALUES (1, 'Ada')")
    builder = await asyncpg.connect(database_url)
    statement = "CREATE UNIQUE INDEX CONCURRENTLY ix_customers_name ON customers (name)"
    building = asyncio.create_task(builder.execute(statement))
    async with asyncio.timeout(30):
        rows = []
        while not rows:
            rows = await run(database_url, VALID)
        with pytest.raises(MigrationError, match="LOCK TABLE customers"):
            await customers.upgrade(database_url, lock_timeout_ms=100, lock_wait_s=0.1)
        await reader.execute("COMMIT")
        await building
    await builder.close()
    assert await customers.upgrade(database_url) == ["0002_emails"]
    assert [row["indisvalid"] for row in await run(database_url, VALID)] == [True]
