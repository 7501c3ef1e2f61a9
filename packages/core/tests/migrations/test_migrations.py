"""The schema of a package, brought up to date on a real PostgreSQL."""

import asyncio
import subprocess
import sys
import textwrap

import asyncpg
import pytest
from schemas import Package, counter, run
from sqlalchemy.exc import DBAPIError

from core.migrations import MigrationError, Migrations
from core.migrations.database import LOCK_KEY, alone


def two_steps(package: Package) -> Migrations:
    package.migration("0001_start", 'op.execute("CREATE TABLE customers (id int PRIMARY KEY)")')
    package.migration("0002_names", 'op.execute("ALTER TABLE customers ADD name text")', after="0001_start")
    return package.migrations()


async def columns(url: str) -> list[str]:
    rows = await run(
        url, "SELECT column_name FROM information_schema.columns WHERE table_name = 'customers' ORDER BY 1"
    )
    return [row[0] for row in rows]


async def test_an_empty_database_is_brought_to_the_head(package, database_url):
    migrations = two_steps(package)
    assert await migrations.current(database_url) is None
    assert await migrations.upgrade(database_url) == ["0001_start", "0002_names"]
    assert await migrations.current(database_url) == await asyncio.to_thread(migrations.head) == "0002_names"
    assert await columns(database_url) == ["id", "name"]


async def test_only_what_the_database_has_not_seen_is_applied(package, database_url):
    package.migration("0001_start", 'op.execute("CREATE TABLE customers (id int PRIMARY KEY)")')
    await package.migrations().upgrade(database_url)
    assert await two_steps(package).upgrade(database_url) == ["0002_names"]


async def test_a_database_at_the_head_is_left_alone(package, database_url):
    migrations = two_steps(package)
    await migrations.upgrade(database_url)
    assert await migrations.upgrade(database_url) == []


async def test_a_service_with_no_migrations_yet_has_nothing_to_do(package, database_url):
    migrations = package.migrations()
    assert await asyncio.to_thread(migrations.head) is None
    assert await migrations.upgrade(database_url) == []
    assert await migrations.current(database_url) is None


@pytest.mark.parametrize("scheme", ["postgresql://", "postgresql+asyncpg://"])
async def test_both_spellings_of_the_url_are_taken(package, database_url, scheme):
    url = database_url.replace("postgresql://", scheme)
    assert await two_steps(package).upgrade(url) == ["0001_start", "0002_names"]
    assert await package.migrations().check(url) == ["customers: the table is in the schema and not in the models"]


async def test_at_the_head_nothing_of_alembic_is_imported(package, database_url):
    await two_steps(package).upgrade(database_url)
    program = f"""
        import asyncio, sys
        from core.migrations import Migrations
        print(asyncio.run(Migrations({package.name!r}, []).upgrade({database_url!r})), "alembic" in sys.modules)
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, check=False, cwd=package.folder.parents[1]
    )
    assert (done.stdout, done.stderr) == ("[] False\n", "")


async def test_at_the_head_one_query_is_all(package, database_url, monkeypatch):
    migrations = two_steps(package)
    await migrations.upgrade(database_url)
    asked = []

    class Counting(asyncpg.Connection):
        async def fetch(self, query, *arguments, **options):
            asked.append(query)
            return await super().fetch(query, *arguments, **options)

    connect = asyncpg.connect
    monkeypatch.setattr(asyncpg, "connect", lambda *a, **o: connect(*a, connection_class=Counting, **o))
    await migrations.upgrade(database_url)
    assert asked == ["SELECT version_num FROM alembic_version"]


async def test_a_migration_that_fails_leaves_nothing_of_itself_and_everything_before_it(package, database_url):
    package.migration("0001_start", 'op.execute("CREATE TABLE customers (id int PRIMARY KEY)")')
    package.migration(
        "0002_broken",
        'op.execute("ALTER TABLE customers ADD name text")\nop.execute("SELECT 1/0")',
        after="0001_start",
    )
    with pytest.raises(DBAPIError, match="division by zero"):
        await package.migrations().upgrade(database_url)
    assert await package.migrations().current(database_url) == "0001_start"
    assert await columns(database_url) == ["id"]


async def test_replicas_that_start_together_migrate_once(package, database_url):
    package.migration(
        "0001_start", 'op.execute("CREATE TABLE customers (id int PRIMARY KEY)")\nop.execute("SELECT pg_sleep(0.3)")'
    )
    applied = await asyncio.gather(*(package.migrations().upgrade(database_url) for _ in range(5)))
    assert sorted(applied) == [[], [], [], [], ["0001_start"]]


async def test_waiting_for_another_process_has_an_end(package, database_url):
    async with alone(database_url, wait_s=1):
        with pytest.raises(MigrationError, match="another process"):
            await two_steps(package).upgrade(database_url, wait_s=0.3)
    assert await package.migrations().upgrade(database_url) == ["0001_start", "0002_names"]


async def test_a_newer_release_may_overtake_the_one_that_waits(package, database_url):
    migrations = two_steps(package)
    async with alone(database_url, wait_s=1):
        waiting = asyncio.create_task(migrations.upgrade(database_url))
        await asyncio.sleep(0.1)
        await run(database_url, "CREATE TABLE alembic_version AS SELECT '0003_newer' AS version_num")
    assert await waiting == []
    assert await columns(database_url) == []


async def test_the_lock_ends_with_the_transaction_that_holds_it(database_url):
    # Of this database: other tests lock in others.
    locks = (
        "SELECT objid FROM pg_locks JOIN pg_database ON pg_database.oid = database"
        " WHERE locktype = 'advisory' AND datname = current_database()"
    )
    async with alone(database_url, wait_s=1):
        assert [row["objid"] for row in await run(database_url, locks)] == [LOCK_KEY & 0xFFFFFFFF]
    assert not await run(database_url, locks)


async def test_an_index_can_be_built_concurrently_while_replicas_wait(package, database_url):
    package.migration("0001_start", 'op.execute("CREATE TABLE customers (id int PRIMARY KEY, name text)")')
    package.migration(
        "0002_index",
        """
        op.execute("SELECT pg_sleep(0.3)")
        with op.get_context().autocommit_block():
            op.create_index("ix_customers_name", "customers", ["name"], postgresql_concurrently=True)
        op.execute("ALTER TABLE customers ADD email text")
        """,
        after="0001_start",
    )
    async with asyncio.timeout(60):
        applied = await asyncio.gather(*(package.migrations().upgrade(database_url) for _ in range(4)))
    assert sorted(applied) == [[], [], [], ["0001_start", "0002_index"]]
    assert await run(database_url, "SELECT FROM pg_indexes WHERE indexname = 'ix_customers_name'")
    assert await columns(database_url) == ["email", "id", "name"]


async def test_an_index_that_is_built_concurrently_may_wait_for_writers(package, database_url):
    package.migration("0001_start", 'op.execute("CREATE TABLE customers (id int PRIMARY KEY, name text)")')
    await package.migrations().upgrade(database_url)
    package.migration(
        "0002_index",
        """
        with op.get_context().autocommit_block():
            op.create_index("ix_customers_name", "customers", ["name"], postgresql_concurrently=True)
        """,
        after="0001_start",
    )
    writer = await asyncpg.connect(database_url)
    async with writer.transaction():
        await writer.execute("INSERT INTO customers VALUES (1)")
        upgrading = asyncio.create_task(package.migrations().upgrade(database_url, lock_timeout_ms=50))
        await asyncio.sleep(0.4)
        assert not upgrading.done()
    await writer.close()
    assert await upgrading == ["0002_index"]


async def test_two_services_migrate_in_one_process_at_the_same_time(tmp_path, monkeypatch, postgres):
    monkeypatch.syspath_prepend(tmp_path)
    upgrades, urls = [], []
    for number in range(2):
        each = Package(tmp_path, f"side_by_side_{next(counter)}")
        for step in range(1, 6):
            each.migration(
                f"000{step}_step",
                f'op.execute("SELECT pg_sleep(0.02)")\nop.execute("CREATE TABLE of_{number}_{step} (id int)")',
                after=f"000{step - 1}_step" if step > 1 else None,
            )
        await asyncio.to_thread(postgres.create_database, each.name)
        urls.append(postgres.url(each.name))
        # Imported before, as a host does. Python 3.11 fails (KeyError) where a finalizer imports while its thread waits
        # for another's import: https://github.com/python/cpython/issues/91351, mended in 3.12.
        await asyncio.to_thread(each.migrations().head)
        upgrades.append(each.migrations().upgrade(urls[-1]))
    await asyncio.gather(*upgrades)
    for number, url in enumerate(urls):
        rows = await run(url, "SELECT tablename FROM pg_tables WHERE tablename LIKE 'of_%' ORDER BY 1")
        assert [row[0] for row in rows] == [f"of_{number}_{step}" for step in range(1, 6)]
        await asyncio.to_thread(postgres.drop_database, url.split("/")[3].split("?")[0])


async def test_a_database_that_is_ahead_is_left_to_the_newer_release(package, database_url, caplog):
    await two_steps(package).upgrade(database_url)
    (package.folder / "0002_names.py").unlink()
    assert await package.migrations().upgrade(database_url) == []
    assert await package.migrations().current(database_url) == "0002_names"
    assert "database_is_ahead" in caplog.messages


@pytest.mark.parametrize("known", ["0001_other", "0000_before", "somebody elses"])
async def test_a_migration_that_this_code_should_know_and_does_not_is_an_error(package, database_url, known):
    migrations = two_steps(package)
    await migrations.upgrade(database_url)
    await run(database_url, "UPDATE alembic_version SET version_num = $1", known)
    with pytest.raises(MigrationError, match=f"the database is at {known}, which this code does not know"):
        await migrations.upgrade(database_url)


async def test_the_same_number_from_two_branches_of_the_code_is_an_error(package, database_url):
    await two_steps(package).upgrade(database_url)
    (package.folder / "0002_names.py").unlink()
    package.migration("0002_emails", 'op.execute("ALTER TABLE customers ADD email text")', after="0001_start")
    with pytest.raises(MigrationError, match="0002_names, which this code does not know"):
        await package.migrations().upgrade(database_url)


async def test_a_database_at_two_migrations_at_once_is_an_error(package, database_url):
    migrations = two_steps(package)
    await migrations.upgrade(database_url)
    await run(database_url, "INSERT INTO alembic_version VALUES ('0001_start')")
    with pytest.raises(MigrationError, match="several migrations at once"):
        await migrations.current(database_url)


async def test_a_database_whose_version_was_removed_starts_anew(package, database_url):
    package.migration("0001_start", 'op.execute("CREATE TABLE IF NOT EXISTS customers (id int PRIMARY KEY)")')
    await package.migrations().upgrade(database_url)
    await run(database_url, "DELETE FROM alembic_version")
    assert await package.migrations().upgrade(database_url) == ["0001_start"]


@pytest.mark.parametrize(
    "head",
    [
        'revision = "0002_other"\ndown_revision = "0001_start"',
        'revision = "0002_names"\ndown_revision = None',
        'revision = "0002_names"\ndown_revision = "0001_other"',
        'revision = "0002_names"',
        "",
    ],
)
async def test_a_file_that_says_other_than_its_name_is_an_error(package, database_url, head):
    two_steps(package)
    (package.folder / "0002_names.py").write_text(head)
    with pytest.raises(MigrationError, match=r"0002_names\.py must say: .* down_revision = '0001_start'"):
        await package.migrations().upgrade(database_url)
