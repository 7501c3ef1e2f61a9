"""What becomes of the rows that a migration finds."""

import asyncio
import json
import os
import shutil
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from core.migrations import Migrations


@pytest.fixture
def database_url(postgres):
    """A database with nothing in it."""
    name = f"users_migrations_{os.getpid()}"
    postgres.create_database(name)
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture
def before(service, tmp_path, monkeypatch):
    """`before("0003_events")`: the migrations before that one, as a package of their own."""
    monkeypatch.syspath_prepend(tmp_path)

    def earlier(name):
        folder = tmp_path / "earlier" / "migrations"
        folder.mkdir(parents=True)
        (tmp_path / "earlier" / "__init__.py").touch()
        for file in Path(service.migrations.folder()).glob("*.py"):
            if file.stem < name or file.stem == "__init__":
                shutil.copy(file, folder)
        return Migrations("earlier", service.migrations.metadata)

    return earlier


def test_events_that_wait_go_on_and_tell_no_more_of_a_person_than_new_ones(service, before, database_url):
    person = {"email": "ada@example.com", "name": "Ada", "locale": "en", "status": "active", "roles": ["user"]}
    waiting = [
        ("email_verification.requested", "usr_1/mail", {"token_id": "1"}),
        ("user.activated", "usr_1", {"id": "usr_1", **person}),
        ("session.revoked", "ses_1", {"id": "ses_1", "user_id": "usr_1", "access_token_lifetime_s": 300}),
    ]

    async def migrated():
        await before("0003_events").upgrade(database_url)
        connection = await asyncpg.connect(database_url)
        for number, (type_, subject, data) in enumerate(waiting, start=1):
            await connection.execute(
                "INSERT INTO outbox (id, type, subject, sequence, time, data) VALUES ($1, $2, $3, 1, now(), $4)",
                UUID(int=number),
                type_,
                subject,
                json.dumps(data),
            )
        await service.migrations.upgrade(database_url)
        rows = await connection.fetch("SELECT subject, data FROM outbox WHERE sent_at IS NULL ORDER BY position")
        await connection.close()
        return [(row["subject"], json.loads(row["data"])) for row in rows]

    assert asyncio.run(migrated()) == [
        ("usr_1/mail", {"token_id": "1"}),
        ("usr_1", {"id": "usr_1", "status": "active"}),
        ("ses_1", {"id": "ses_1", "access_token_lifetime_s": 300}),
    ]
