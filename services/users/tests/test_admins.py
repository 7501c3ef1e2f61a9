"""The first admin: made by a command, or by a local start."""

import asyncio
import sys
from types import SimpleNamespace
from typing import Any

import pytest
import typer

from core.ports import Seed
from core.testing import problem
from users.__main__ import main
from users.accounts.commands import _one_address, create_admin
from users.accounts.service import AddressTaken
from users.app import seed_local
from users.passwords.service import WeakPassword

PASSWORD = "plum tractor orbit velvet"

ADMIN = "admin@example.com"


async def seed(resources, password):
    await seed_local(resources, Seed(admin_email=ADMIN, admin_password=password))


async def test_a_seeded_admin_signs_in_with_every_scope(client, resources, rows, person):
    await seed(resources, "short")
    admin = person(ADMIN, "short")
    assert (await admin.sign_in()).status_code == 201
    me = (await client.get("/v1/users/me", headers=admin.headers)).json()
    assert (me["status"], me["roles"]) == ("active", ["user", "admin"])
    assert [row["subject"] for row in await rows("SELECT subject FROM outbox WHERE type = 'user.activated'")] == [
        me["id"]
    ]


async def test_a_seed_with_the_same_password_changes_nothing(client, resources, rows, person):
    await seed(resources, PASSWORD)
    admin = person(ADMIN)
    await admin.sign_in()
    before = await rows("SELECT * FROM users, credentials")
    await seed(resources, PASSWORD)
    assert await rows("SELECT * FROM users, credentials") == before
    assert (await client.get("/v1/users/me", headers=admin.headers)).status_code == 200


async def test_a_seed_with_another_password_takes_it_and_ends_the_sessions_of_the_old_one(client, resources, person):
    await seed(resources, "the old passphrase")
    admin = person(ADMIN, "the old passphrase")
    await admin.sign_in()
    await seed(resources, PASSWORD)
    assert problem(await client.get("/v1/users/me", headers=admin.headers)) == (401, "unauthenticated")
    assert problem(await admin.sign_in()) == (401, "invalid_credentials")
    assert (await person(ADMIN).sign_in()).status_code == 201


async def test_a_seed_makes_an_admin_of_whoever_has_the_address(client, resources, rows, person):
    await seed(resources, PASSWORD)
    for state in ("status = 'suspended'", "status = 'pending', verified_at = NULL", "roles = '{user}'"):
        await rows(f"UPDATE users SET {state}")  # noqa: S608 - from the line above
        await seed(resources, PASSWORD)
        admin = person(ADMIN)
        assert (await admin.sign_in()).status_code == 201
        assert "admin" in (await client.get("/v1/users/me", headers=admin.headers)).json()["roles"]


async def test_whoever_was_told_of_is_not_activated_again(resources, rows, person):
    told = "SELECT type FROM outbox WHERE type LIKE 'user.%' ORDER BY position"
    for password in ("the old passphrase", "the next passphrase"):
        await seed(resources, password)
    await rows("UPDATE users SET status = 'suspended'")
    await seed(resources, PASSWORD)
    assert [row["type"] for row in await rows(told)] == ["user.activated", "user.updated", "user.updated"]
    await rows("UPDATE users SET status = 'pending', verified_at = NULL")
    await seed(resources, PASSWORD)
    assert [row["type"] for row in await rows(told)][3:] == ["user.activated"]


@pytest.fixture
def command(service, settings, monkeypatch):
    """`await command(email, password)`: `users create-admin` in this environment."""
    monkeypatch.setenv("USERS_ENVIRONMENT", "local")
    monkeypatch.setenv("USERS_DATABASE__URL", settings.database.url.get_secret_value())
    monkeypatch.setenv("USERS_DATA_DIR", str(settings.data_dir))
    context: Any = SimpleNamespace(obj=service)
    return lambda email, password: asyncio.to_thread(create_admin, context, email, password)


async def test_the_command_makes_an_admin(client, command, capsys, person, rows):
    await command(ADMIN, PASSWORD)
    [line] = await rows("SELECT action, actor FROM audit_events WHERE subject LIKE 'usr%'")
    assert line == {"action": "admin.created", "actor": "operator"}
    assert (await person(ADMIN).sign_in()).status_code == 201
    assert capsys.readouterr().out == f"{ADMIN} is an admin and can sign in.\n"


async def test_the_command_takes_over_nobodys_account(client, command, ada, rows):
    with pytest.raises(AddressTaken):
        await command(ada.email, "another good passphrase")
    assert (await ada.sign_in()).status_code == 201
    assert await rows("SELECT roles FROM users") == [{"roles": ["user"]}]


async def test_the_command_refuses_a_weak_password(command, rows):
    with pytest.raises(WeakPassword):
        await command(ADMIN, "admin@example.com")
    assert not await rows("SELECT 1 FROM users")


def test_the_command_is_one_of_the_service_and_asks_for_the_password(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["users", "create-admin", "--help"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert "CREATE_ADMIN_PASSWORD" in capsys.readouterr().out


def test_the_command_refuses_what_is_no_address():
    assert _one_address(ADMIN) == ADMIN
    with pytest.raises(typer.BadParameter, match="address"):
        _one_address("admin")
