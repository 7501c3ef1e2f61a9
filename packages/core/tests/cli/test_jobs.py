"""`example jobs`: what is due when, and one job now."""

import asyncio
import re

import asyncpg
import pytest

URL = "postgresql://u:hunter2-canary@127.0.0.1:1/d"


@pytest.fixture(scope="module")
def migrated(postgres, service):
    """The database of a service that runs nowhere."""
    postgres.create_database("cli_jobs")
    url = postgres.url("cli_jobs")
    asyncio.run(service.migrations.upgrade(url))
    yield url
    postgres.drop_database("cli_jobs")


@pytest.fixture
def execute(migrated):
    """`execute("UPDATE …")`: the first value that the statement gives."""

    def run(statement):
        async def ask():
            connection = await asyncpg.connect(migrated)
            try:
                return await connection.fetchval(statement)
            finally:
                await connection.close()

        return asyncio.run(ask())

    run("DELETE FROM jobs")
    return run


@pytest.fixture
def database(migrated):
    return {"EXAMPLE_ENVIRONMENT": "local", "EXAMPLE_DATABASE__URL": migrated}


def test_jobs_that_no_replica_has_started_with_are_listed(run, database, execute):
    ran = run("jobs", **database)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        "forget_events            every 1:00:00  no replica has started with it yet",
        "forget_idempotency_keys  every 1:00:00  no replica has started with it yet",
        "forget_old_things        every 1:00:00  no replica has started with it yet",
        "forget_revoked_sessions  every 1:00:00  no replica has started with it yet",
    ]


def test_the_state_of_each_job_is_told(run, database, execute):
    execute("""
        INSERT INTO jobs (name, due_at, leased_until, started_at, succeeded_at, failures, last_error) VALUES
        ('forget_events', '2026-01-02T03:00Z', NULL, NULL, NULL, 0, NULL),
        ('forget_idempotency_keys', now(), now() + interval '1 min', '2026-01-02T03:04:05Z', NULL, 0, NULL),
        ('forget_old_things', '2026-01-02T03:00Z', NULL, '2026-01-02T03:04:05Z', '2026-01-01T00:00Z', 2, 'OSError'),
        ('forget_revoked_sessions', '2026-01-02T04:00Z', NULL, NULL, NULL, 0, NULL)
    """)
    assert [re.split(" {2,}", line)[2:] for line in run("jobs", **database).out.splitlines()] == [
        ["due 2026-01-02T03:00:00Z", "succeeded never"],
        ["running since 2026-01-02T03:04:05Z", "succeeded never"],
        ["due 2026-01-02T03:00:00Z", "succeeded 2026-01-01T00:00:00Z", "failures 2: OSError"],
        ["due 2026-01-02T04:00:00Z", "succeeded never"],
    ]


def test_a_job_runs_now_and_no_other_though_it_is_due(run, database, execute):
    execute("INSERT INTO jobs (name, due_at) VALUES ('forget_idempotency_keys', now())")
    ran = run("jobs", "run", "forget_old_things", EXAMPLE_LOGS__FORMAT="json", **database)
    assert (ran.code, ran.err) == (0, "")
    assert '"job":"forget_old_things","outcome":"succeeded"' in ran.out
    assert '"service.name":"example"' in ran.out
    assert execute("SELECT succeeded_at IS NOT NULL AND due_at > now() FROM jobs WHERE name = 'forget_old_things'")
    assert execute("SELECT started_at FROM jobs WHERE name = 'forget_idempotency_keys'") is None


def test_a_job_that_a_replica_runs_is_left_alone(run, database, execute):
    execute(
        "INSERT INTO jobs (name, due_at, leased_until) VALUES ('forget_old_things', now(), now() + interval '1 min')"
    )
    ran = run("jobs", "run", "forget_old_things", **database)
    assert (ran.code, ran.err) == (1, "forget_old_things runs elsewhere.\n")


def test_a_job_that_fails_says_so(run, database, execute, monkeypatch):
    async def broken(*_given, **_options):
        raise RuntimeError("no paper")

    monkeypatch.setattr("example.things.service.Things.forget", broken)
    ran = run("jobs", "run", "forget_old_things", EXAMPLE_LOGS__FORMAT="json", **database)
    assert ran.code == 1
    assert "RuntimeError: no paper" in ran.out
    assert execute("SELECT last_error FROM jobs WHERE name = 'forget_old_things'") == "RuntimeError"


def test_a_job_that_there_is_not_is_refused_with_those_that_there_are(run, database):
    ran = run("jobs", "run", "nothing", **database)
    assert (ran.code, ran.out) == (2, "")
    said = " ".join(ran.err.replace("│", "").split())
    assert "there is no job nothing, but forget_events, forget_idempotency_keys, forget_old_things" in said


def test_a_database_that_is_away_is_one_sentence(run):
    ran = run("jobs", EXAMPLE_ENVIRONMENT="local", EXAMPLE_DATABASE__URL=URL)
    assert (ran.code, ran.err.count("\n")) == (3, 1)
    assert ran.err.startswith("example: database did not open")
    assert "canary" not in ran.err
