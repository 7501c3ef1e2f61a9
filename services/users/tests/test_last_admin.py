"""At least one active admin, whatever admins do to each other and to themselves at once."""

import asyncio
from itertools import combinations_with_replacement

import pytest

from core.testing import problem

ADMINS = "SELECT address FROM users WHERE status = 'active' AND 'admin' = ANY(roles)"

WAITING = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.fixture
def attempt(client):
    """`await attempt("demote", by, of)`: what would leave one admin less."""

    async def run(what, by, of):
        if what == "leave":
            body = {"current_password": by.password}
            return await client.request("DELETE", "/v1/users/me", json=body, headers=by.headers)
        change = {"roles": ["user"]} if what == "demote" else {"status": "suspended"}
        return await client.patch(f"/v1/users/{of.id}", json=change, headers=by.headers | {"If-Match": "*"})

    return run


@pytest.mark.parametrize("what", ["demote", "suspend", "leave"])
async def test_the_last_active_admin_stays(client, admin, staff, attempt, rows, machine, what):
    await staff("support@example.com", "support")
    suspended = await staff("boss@example.com", "admin")
    assert (await attempt("suspend", admin, suspended)).status_code == 200
    assert problem(await attempt(what, admin, admin)) == (409, "last_admin")
    assert await rows(ADMINS) == [{"address": admin.email}]
    # Nothing is lost with whoever is no active admin, even where there is none.
    await rows("UPDATE users SET status = 'suspended'")
    headers = {"If-Match": "*"} | await (await machine("users:write")).headers()
    demoted = await client.patch(f"/v1/users/{suspended.id}", json={"roles": ["user"]}, headers=headers)
    assert demoted.status_code == 200


@pytest.mark.parametrize(("what", "other"), [*combinations_with_replacement(("demote", "suspend", "leave"), 2)])
async def test_of_two_admins_who_go_at_once_one_stays(client, admin, staff, attempt, rows, becomes, what, other):
    boss = await staff("boss@example.com", "admin")
    await rows("BEGIN")
    await rows("SELECT 1 FROM users ORDER BY id FOR UPDATE")
    both = [
        asyncio.create_task(attempt(what, admin if what == "leave" else boss, admin)),
        asyncio.create_task(attempt(other, boss if other == "leave" else admin, boss)),
    ]

    async def both_wait():
        return len(await rows(WAITING)) == len(both)

    await becomes(both_wait)
    await rows("COMMIT")
    answers = sorted([await task for task in both], key=lambda answer: answer.status_code)
    assert answers[0].is_success
    assert problem(answers[1]) == (409, "last_admin")
    assert len(await rows(ADMINS)) == 1
