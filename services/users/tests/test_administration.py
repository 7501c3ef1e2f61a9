"""What admins do to other people's accounts: roles, suspension, sessions, a way back in; and what support only sees."""

import asyncio

import pytest

from core.ids import format_id, new_id
from core.testing import problem

SUSPENDED = {"status": "suspended"}
WAITING = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.fixture
def change(client, admin):
    """`await change(user, status="suspended")`: a change by the admin, of whatever version there is."""

    async def run(user, by=admin, **members):
        return await client.patch(f"/v1/users/{user.id}", json=members, headers=by.headers | {"If-Match": "*"})

    return run


async def told(rows, user):
    """What others were told of a user, in order."""
    events = await rows("SELECT type, data FROM outbox WHERE subject = $1 ORDER BY position", user.id)
    return [(event["type"], event["data"]["status"]) for event in events]


async def recorded(rows, subject):
    """What the trail has about a subject: who did what."""
    lines = await rows("SELECT action, actor, details FROM audit_events WHERE subject = $1 ORDER BY id", subject)
    return [(line["action"], line["actor"], line["details"]) for line in lines]


async def test_a_change_is_made_of_the_version_that_its_caller_has_seen(client, admin, ada):
    path = f"/v1/users/{ada.id}"
    seen = await client.get(path, headers=admin.headers)
    assert seen.headers["etag"] == '"v2"'
    assert problem(await client.patch(path, json=SUSPENDED, headers=admin.headers)) == (428, "precondition_required")
    changed = await client.patch(path, json=SUSPENDED, headers=admin.headers | {"If-Match": '"v2"'})
    assert (changed.status_code, changed.headers["etag"]) == (200, '"v3"')
    assert changed.json() == seen.json() | SUSPENDED | {"version": 3}
    late = await client.patch(path, json={"status": "active"}, headers=admin.headers | {"If-Match": '"v2"'})
    assert problem(late) == (412, "precondition_failed")
    assert (await client.get(path, headers=admin.headers | {"If-None-Match": '"v3"'})).status_code == 304


async def test_whoever_is_suspended_is_out_at_once_and_back_in_when_reinstated(client, ada, admin, change, rows):
    await ada.sign_in()
    session = ada.tokens["session"]["id"]
    assert (await change(ada, status="suspended")).json()["status"] == "suspended"
    assert problem(await client.get("/v1/users/me", headers=ada.headers)) == (401, "unauthenticated")
    assert problem(await ada.refresh()) == (401, "invalid_refresh_token")
    assert problem(await ada.sign_in()) == (403, "user_suspended")
    assert [row["type"] for row in await rows("SELECT type FROM outbox WHERE subject = $1", session)] == [
        "session.revoked"
    ]
    assert (await recorded(rows, session))[-1] == ("session.revoked", admin.id, {})
    assert (await change(ada, status="active")).json()["status"] == "active"
    assert problem(await ada.refresh()) == (401, "invalid_refresh_token")
    assert (await ada.sign_in()).status_code == 201
    assert await told(rows, ada) == [
        ("user.activated", "active"),
        ("user.suspended", "suspended"),
        ("user.updated", "active"),
    ]
    assert (await recorded(rows, ada.id))[-2:] == [
        ("user.suspended", admin.id, {}),
        ("user.reinstated", admin.id, {}),
    ]


async def test_a_role_that_is_given_comes_with_the_next_token(client, ada, admin, change, rows):
    await ada.sign_in()
    assert (await change(ada, roles=["admin", "user"])).json()["roles"] == ["user", "admin"]
    assert problem(await client.get("/v1/users", headers=ada.headers)) == (403, "insufficient_scope")
    await ada.refresh()
    assert (await client.get("/v1/users", headers=ada.headers)).status_code == 200
    assert (await recorded(rows, ada.id))[-1] == (
        "user.roles_changed",
        admin.id,
        {"given": ["admin"], "taken": []},
    )
    assert await told(rows, ada) == [("user.activated", "active")]


async def test_a_role_that_is_taken_ends_the_sessions_that_had_it(client, staff, admin, change, rows):
    boss = await staff("boss@example.com", "admin")
    assert (await change(boss, roles=["user", "support"])).json()["roles"] == ["user", "support"]
    assert problem(await client.get("/v1/users", headers=boss.headers)) == (401, "unauthenticated")
    assert problem(await boss.refresh()) == (401, "invalid_refresh_token")
    await boss.sign_in()
    assert (await client.get("/v1/users", headers=boss.headers)).status_code == 200
    assert problem(await change(admin, by=boss, status="suspended")) == (403, "insufficient_scope")
    assert (await recorded(rows, boss.id))[-1] == (
        "user.roles_changed",
        admin.id,
        {"given": ["support"], "taken": ["admin"]},
    )


async def test_an_admin_may_step_down_while_there_is_another(client, staff, admin, change):
    await staff("boss@example.com", "admin")
    assert (await change(admin, roles=["user"])).json()["roles"] == ["user"]
    assert problem(await client.get("/v1/users/me", headers=admin.headers)) == (401, "unauthenticated")


async def test_a_change_to_what_is_there_already_is_none(client, ada, admin, change, rows):
    await ada.sign_in()
    before = await rows("SELECT version FROM users"), await recorded(rows, ada.id), await told(rows, ada)
    for members in ({}, {"roles": ["user", "user"]}, {"roles": ["user"], "status": "active"}):
        assert (await change(ada, **members)).status_code == 200
    assert (await rows("SELECT version FROM users"), await recorded(rows, ada.id), await told(rows, ada)) == before
    assert (await client.get("/v1/users/me", headers=ada.headers)).status_code == 200


async def test_both_changes_at_once_are_two_lines(ada, admin, change, rows):
    assert (await change(ada, roles=["user", "support"], status="suspended")).status_code == 200
    assert [line[0] for line in (await recorded(rows, ada.id))[-2:]] == ["user.roles_changed", "user.suspended"]


async def test_what_an_admin_cannot_set_is_refused(ada, change, rows):
    for member, values in {
        "roles": ([], ["admin"], ["user", "owner"], None, "user"),
        "status": (None, "pending", "deleting", "erased"),
        "email": ("eve@example.com",),
        "name": ("Eve",),
        "version": (7,),
    }.items():
        for value in values:
            refused = await change(ada, **{member: value})
            assert problem(refused) == (422, "validation_failed"), (member, value)
            assert refused.json()["errors"][0]["pointer"].startswith(f"#/{member}")
    assert [row["version"] for row in await rows("SELECT version FROM users WHERE address = $1", ada.email)] == [2]


@pytest.mark.parametrize("status", ["pending", "deleting", "erased"])
async def test_whoever_has_not_arrived_or_is_leaving_is_seen_and_cannot_be_changed(
    client, ada, admin, change, rows, status
):
    gone = ", address = NULL, email = NULL" if status == "erased" else ""
    await rows(f"UPDATE users SET status = $1{gone} WHERE address = $2", status, ada.email)  # noqa: S608 - from above
    path = f"/v1/users/{ada.id}"
    assert (await client.get(path, headers=admin.headers)).json()["status"] == status
    assert problem(await change(ada, status="active")) == (409, "user_unsettled")
    assert problem(await change(ada, roles=["user", "admin"])) == (409, "user_unsettled")
    reset = await client.post(f"{path}/password-reset", headers=admin.headers)
    assert problem(reset) == (409, "user_cannot_sign_in")


async def test_whom_there_is_not_is_not_found(client, admin):
    for user_id in (format_id("usr", new_id()), format_id("ses", new_id()), "nonsense"):
        path = f"/v1/users/{user_id}"
        for answer in (
            await client.get(path, headers=admin.headers),
            await client.patch(path, json=SUSPENDED, headers=admin.headers | {"If-Match": "*"}),
            await client.post(f"{path}/password-reset", headers=admin.headers),
            await client.delete(f"{path}/sessions", headers=admin.headers),
        ):
            assert problem(answer) == (404, "not_found")


async def test_every_session_of_somebody_is_ended(client, ada, admin, rows):
    await ada.sign_in()
    first = ada.tokens
    await ada.sign_in()
    path = f"/v1/users/{ada.id}/sessions"
    assert (await client.delete(path, headers=admin.headers)).status_code == 204
    for tokens in (first, ada.tokens):
        header = {"Authorization": f"Bearer {tokens['access_token']}"}
        assert problem(await client.get("/v1/users/me", headers=header)) == (401, "unauthenticated")
        assert (await recorded(rows, tokens["session"]["id"]))[-1] == ("session.revoked", admin.id, {})
    assert (await client.get("/v1/users/me", headers=admin.headers)).status_code == 200
    assert (await client.delete(path, headers=admin.headers)).status_code == 204
    assert (await ada.sign_in()).status_code == 201


async def test_a_sign_in_that_is_under_way_is_ended_too(client, ada, admin, rows, becomes):
    await ada.sign_in()
    await rows("BEGIN")
    await rows("SELECT 1 FROM users WHERE address = $1 FOR NO KEY UPDATE", ada.email)
    await rows(
        "INSERT INTO sessions (id, user_id, refresh_counter, rotated_at, created_at, idle_expires_at, expires_at)"
        " SELECT uuidv7(), user_id, 0, rotated_at, created_at, idle_expires_at, expires_at FROM sessions"
        " WHERE user_id = (SELECT id FROM users WHERE address = $1)",
        ada.email,
    )
    path = f"/v1/users/{ada.id}/sessions"
    ending = asyncio.create_task(client.delete(path, headers=admin.headers))
    await becomes(lambda: rows(WAITING))
    await rows("COMMIT")
    assert (await ending).status_code == 204
    live = await rows("SELECT user_id FROM sessions WHERE revoked_at IS NULL")
    assert [format_id("usr", row["user_id"]) for row in live] == [admin.id]


async def test_a_new_password_is_chosen_by_its_owner_and_by_nobody_else(client, ada, admin, post, rows):
    path = f"/v1/users/{ada.id}/password-reset"
    asked = await client.post(path, headers=admin.headers)
    assert (asked.status_code, asked.json()) == (202, {"status": "accepted"})
    assert (await recorded(rows, ada.id))[-1] == ("password.reset_requested", admin.id, {})
    token = await post.token_for(ada.email)
    body = {"token": token, "new_password": "anchor violet ladder prism"}
    assert (await client.post("/v1/password-resets/confirm", json=body)).status_code == 204
    assert problem(await ada.sign_in()) == (401, "invalid_credentials")
    ada.password = body["new_password"]
    assert (await ada.sign_in()).status_code == 201
    await rows("UPDATE users SET status = 'suspended' WHERE address = $1", ada.email)
    assert problem(await client.post(path, headers=admin.headers)) == (409, "user_cannot_sign_in")
