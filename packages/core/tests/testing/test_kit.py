"""The test kit itself: a clock that obeys, databases that are a test's alone, a network that ends at this machine."""

import asyncio
import random
import socket
from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import pytest
from sqlalchemy import text

from core.mail import FolderMail, Message
from core.testing import MovableClock, problem, running
from core.testing.databases import served, template_database
from core.testing.network import NetworkUsed, free_port


def test_a_clock_stands_until_it_is_moved():
    clock = MovableClock(datetime(2026, 1, 2, tzinfo=UTC))
    assert clock.now() == clock.now() == datetime(2026, 1, 2, tzinfo=UTC)
    clock.advance(timedelta(days=1))
    assert clock.now() == datetime(2026, 1, 3, tzinfo=UTC)
    assert (datetime.now(UTC) - MovableClock().now()) < timedelta(seconds=10)


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_a_test_that_leaves_this_machine_fails(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with (
        socket.socket(family) as connection,
        pytest.raises(NetworkUsed, match=f"a test tried to reach .*{address}"),
    ):
        connection.connect((address, 80))


def test_a_port_is_free_and_given_once(monkeypatch):
    free = [free_port() for _ in range(2)]
    monkeypatch.setattr("core.testing.network._given", set())
    with socket.create_server(("127.0.0.1", 0)) as listening:
        drawn = iter([listening.getsockname()[1], free[0], free[0], free[1]])
        monkeypatch.setattr("secrets.choice", lambda _: next(drawn))
        assert [free_port(), free_port()] == free


async def tables_of(url: str) -> list[str]:
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    finally:
        await connection.close()
    return [row["tablename"] for row in rows]


async def test_a_database_is_migrated_and_its_tests_alone(database_url, template):
    other = await template.copy()
    assert "things" in await tables_of(database_url)
    connection = await asyncpg.connect(database_url)
    await connection.execute("CREATE TABLE mine ()")
    await connection.close()
    assert "mine" not in await tables_of(template.postgres.url(other))
    await template.drop(other)


async def test_a_service_reads_and_writes_rows_of_its_database_and_nothing_else(database_url):
    connection = await asyncpg.connect(served(database_url))
    assert await connection.fetchval("SELECT current_user") == "serving"
    await connection.execute("INSERT INTO things (id, name, created_at, announced) VALUES (uuidv7(), 'a', now(), 0)")
    await connection.execute("DELETE FROM things")
    for refused in ("CREATE TABLE mine ()", "TRUNCATE things", "ALTER TABLE things DISABLE TRIGGER ALL"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(refused)
    await connection.close()


@pytest.fixture
def empty(postgres):
    """A template of no service."""
    with template_database(postgres, None, name="empty") as made:
        yield made


async def test_where_there_is_no_service_a_database_is_empty(empty):
    name = await empty.copy()
    assert await tables_of(empty.postgres.url(name)) == []
    await empty.drop(name)


async def test_a_mailbox_shows_what_was_sent_to_whom(mailbox, tmp_path):
    mail = FolderMail(tmp_path / "mail", "service@example.test")
    for to in ("a@example.test", "b@example.test"):
        await mail.send(Message(to, "Hello", "You are here."))
    # It reads files: a test on the loop asks from a thread.
    assert [each.message.to for each in await asyncio.to_thread(mailbox, to="a@example.test")] == ["a@example.test"]
    assert len(await asyncio.to_thread(mailbox)) == 2


def test_what_is_no_problem_document_is_told_with_its_text():
    with pytest.raises(AssertionError, match="no problem document: 500 Internal Server Error"):
        problem(httpx.Response(500, text="Internal Server Error"))


async def test_the_statements_of_requests_are_counted(client, signed_in, queries, database):
    for name in ("a", "b", "c"):
        await client.post("/v1/things", json={"name": name}, headers={**signed_in(), "Idempotency-Key": name})
    with queries() as listing:
        assert len((await client.get("/v1/things", headers=signed_in())).json()["data"]) == 3
    with queries() as reading:
        await client.get("/v1/things/thg_00000000000000000000000000", headers=signed_in())
    with queries() as beside:
        async with database.transaction() as session:
            await session.execute(text("SELECT 1"))
    with queries() as making:
        await client.post("/v1/things", json={"name": "d"}, headers={**signed_in(), "Idempotency-Key": "d"})
    assert (len(listing), len(reading), beside) == (1, 1, [])
    assert len([statement for statement in making if statement.startswith("INSERT INTO things")]) == 1


async def test_a_running_service_leaves_the_shared_generator_to_the_fuzzer(app, database, becomes):
    drawn = random.getstate()

    async def runner_waits() -> bool:
        async with database.transaction() as session:
            return await session.scalar(text("SELECT count(*) FROM jobs")) > 0

    async with running(app):
        assert await becomes(runner_waits)
        await asyncio.sleep(0.1)
    assert random.getstate() == drawn
