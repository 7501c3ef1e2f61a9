"""What a service does now and then: the chassis' own work, and the example's."""

import asyncpg
import pytest

from core.testing import running


@pytest.fixture
def make_due(admin: asyncpg.Connection, becomes):
    """`await make_due("purge")`: the job is due, and has run when this returns."""

    async def run(name: str) -> None:
        await becomes(lambda: admin.fetchval("SELECT true FROM jobs WHERE name = $1", name))
        await admin.execute("UPDATE jobs SET due_at = now() WHERE name = $1", name)
        await becomes(lambda: admin.fetchval("SELECT succeeded_at FROM jobs WHERE name = $1", name))

    return run


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.jobs.runner.PAUSE_S_MAX", 0.05)
    monkeypatch.setattr("core.jobs.runner.JITTER_S_MAX", 0.01)


async def test_stored_answers_are_forgotten_after_a_day(app, admin, make_due):
    await admin.execute("""
        INSERT INTO idempotency_keys (scope, key, fingerprint, leased_until, created_at) VALUES
        ('a', 'kept', 'x', now(), now() - interval '23 hours 59 minutes'),
        ('a', 'old', 'x', now(), now() - interval '24 hours 1 minute')
    """)
    async with running(app):
        await make_due("forget_idempotency_keys")
    assert await admin.fetch("SELECT key FROM idempotency_keys") == [("kept",)]


async def test_sent_events_are_forgotten_after_a_week(app, admin, make_due):
    await admin.execute("""
        INSERT INTO outbox (id, type, subject, sequence, time, data, sent_at) VALUES
        (gen_random_uuid(), 't', 'kept', 1, now(), '{}', now() - interval '6 days'),
        (gen_random_uuid(), 't', 'old', 1, now(), '{}', now() - interval '8 days')
    """)
    async with running(app):
        await make_due("forget_events")
    assert await admin.fetch("SELECT subject FROM outbox") == [("kept",)]


async def test_revoked_sessions_are_forgotten_when_no_token_of_them_is_valid(app, admin, make_due):
    await admin.execute("""
        INSERT INTO revoked_sessions (session_id, expires_at) VALUES
        (gen_random_uuid(), now() + interval '1 minute'),
        (gen_random_uuid(), now() - interval '1 s')
    """)
    async with running(app):
        await make_due("forget_revoked_sessions")
    assert await admin.fetchval("SELECT bool_and(expires_at > now()) AND count(*) = 1 FROM revoked_sessions")


async def test_the_example_forgets_old_things(app, admin, make_due):
    await admin.execute("""
        INSERT INTO things (id, name, created_at, announced) VALUES
        (gen_random_uuid(), 'kept', now() - interval '364 days', 0),
        (gen_random_uuid(), 'old', now() - interval '366 days', 0)
    """)
    async with running(app):
        await make_due("forget_old_things")
    assert await admin.fetch("SELECT name FROM things") == [("kept",)]
