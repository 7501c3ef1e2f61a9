"""One's own sessions: seen, ended, and ended at once."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.ids import format_id, new_id, parse_id
from core.testing import problem
from core.tokens.keys import generate_key, key_id
from core.tokens.sealing import open_key
from core.tokens.signing import sign_access_token
from users.sessions.jobs import forget_ended_sessions


@pytest.fixture
async def ada(ada):
    """Somebody who is signed in."""
    await ada.sign_in()
    return ada


async def test_the_list_has_ones_own_live_sessions_page_by_page(client, ada, join, clock):
    eve = await join("eve@example.com")
    await eve.sign_in()
    started = [ada.tokens["session"]["id"]]
    for _ in range(2):
        clock.advance(timedelta(seconds=1))
        started.append((await ada.sign_in()).json()["session"]["id"])
    page = (await client.get("/v1/sessions?limit=2", headers=ada.headers)).json()
    rest = (await client.get(f"/v1/sessions?cursor={page['next_cursor']}", headers=ada.headers)).json()
    sessions = [*page["data"], *rest["data"]]
    assert [session["id"] for session in sessions] == started
    assert [session["current"] for session in sessions] == [False, False, True]
    assert rest["next_cursor"] is None


async def test_a_session_that_is_over_is_not_listed(client, ada, clock):
    clock.advance(timedelta(days=6))
    await ada.sign_in()
    clock.advance(timedelta(days=1))
    listed = (await client.get("/v1/sessions", headers=ada.headers)).json()["data"]
    assert [session["id"] for session in listed] == [ada.tokens["session"]["id"]]


async def test_after_signing_out_both_tokens_are_refused_at_once(client, ada, rows):
    assert (await client.delete("/v1/sessions/current", headers=ada.headers)).status_code == 204
    for path in ("/v1/users/me", "/v1/sessions"):
        assert problem(await client.get(path, headers=ada.headers)) == (401, "unauthenticated")
    assert problem(await client.delete("/v1/sessions/current", headers=ada.headers)) == (401, "unauthenticated")
    assert problem(await ada.refresh()) == (401, "invalid_refresh_token")
    [event] = await rows("SELECT subject FROM outbox WHERE type = 'session.revoked'")
    assert event["subject"] == ada.tokens["session"]["id"]


async def test_another_session_of_ones_own_can_be_ended(client, ada):
    lost = dict(ada.tokens)
    await ada.sign_in()
    path = f"/v1/sessions/{lost['session']['id']}"
    assert (await client.delete(path, headers=ada.headers)).status_code == 204
    assert problem(await client.delete(path, headers=ada.headers)) == (404, "not_found")
    header = {"Authorization": f"Bearer {lost['access_token']}"}
    assert problem(await client.get("/v1/users/me", headers=header)) == (401, "unauthenticated")
    assert (await client.get("/v1/users/me", headers=ada.headers)).status_code == 200


async def test_other_peoples_sessions_and_what_is_no_id_are_not_found(client, ada, join):
    eve = await join("eve@example.com")
    await eve.sign_in()
    for session_id in (eve.tokens["session"]["id"], format_id("ses", new_id()), eve.id, "nonsense"):
        response = await client.delete(f"/v1/sessions/{session_id}", headers=ada.headers)
        assert problem(response) == (404, "not_found")
    assert (await client.get("/v1/users/me", headers=eve.headers)).status_code == 200


async def test_who_is_suspended_about_to_go_or_gone_has_no_live_session(client, ada, rows):
    for status in ("suspended", "deleting", "erased"):
        address = None if status == "erased" else ada.email
        await rows("UPDATE users SET status = $1, address = $2, email = $2", status, address)
        assert problem(await client.get("/v1/users/me", headers=ada.headers)) == (401, "unauthenticated")
        assert problem(await ada.refresh()) == (401, "invalid_refresh_token")


async def test_a_session_that_is_over_is_kept_for_a_month_and_no_longer(
    client, ada, resources, clock, rows, monkeypatch
):
    # As if there were too many for one transaction.
    monkeypatch.setattr("users.sessions.service.FORGOTTEN_MAX", 1)
    idle = ada.tokens["session"]["id"]
    for _ in range(2):
        await ada.sign_in()
        await client.delete("/v1/sessions/current", headers=ada.headers)
    ended_at = clock.now()

    async def kept(after):
        clock.advance(ended_at + after - clock.now())
        await forget_ended_sessions(resources)
        return {format_id("ses", row["id"]) for row in await rows("SELECT id FROM sessions")}

    assert len(await kept(timedelta(days=30))) == 3
    lasting = (await ada.sign_in()).json()["session"]["id"]
    assert await kept(timedelta(days=30, seconds=1)) == {idle, lasting}
    assert await kept(timedelta(days=37)) == {idle, lasting}
    assert await kept(timedelta(days=37, seconds=1)) == {lasting}


@pytest.fixture
def revoke_others(client):
    """`await revoke_others(ada)`: with her password."""

    async def run(somebody, **body):
        body = body or {"current_password": somebody.password}
        return await client.post("/v1/sessions/revoke-others", json=body, headers=somebody.headers)

    return run


async def test_all_other_sessions_of_ones_own_can_be_ended_at_once(client, ada, join, person, revoke_others):
    eve, others = await join("eve@example.com"), [person(ada.email) for _ in range(2)]
    for one in (eve, *others):
        await one.sign_in()
    answer = await revoke_others(ada)
    assert (answer.status_code, answer.json()) == (200, {"revoked": 2})
    for one in others:
        assert problem(await client.get("/v1/users/me", headers=one.headers)) == (401, "unauthenticated")
        assert problem(await one.refresh()) == (401, "invalid_refresh_token")
    for one in (ada, eve):
        assert (await client.get("/v1/users/me", headers=one.headers)).status_code == 200
        assert (await one.refresh()).status_code == 200
    assert (await revoke_others(ada)).json() == {"revoked": 0}


async def test_who_does_not_know_the_password_ends_no_session(client, ada, person, revoke_others):
    other = person(ada.email)
    await other.sign_in()
    assert problem(await revoke_others(ada, current_password="not her password at all")) == (401, "invalid_credentials")
    for body in ({}, {"current_password": 15}, {"current_password": ada.password, "user_id": ada.id}):
        answer = await client.post("/v1/sessions/revoke-others", json=body, headers=ada.headers)
        assert problem(answer) == (422, "validation_failed")
    assert (await other.refresh()).status_code == 200


async def test_it_is_written_down_who_ended_which_session(client, ada, person, revoke_others, rows):
    other = person(ada.email)
    await other.sign_in()
    await revoke_others(ada)
    await client.delete("/v1/sessions/current", headers=ada.headers)
    lines = await rows("SELECT actor, subject FROM audit_events WHERE action = 'session.revoked' ORDER BY id")
    assert lines == [{"actor": ada.id, "subject": each.tokens["session"]["id"]} for each in (other, ada)]


async def test_every_private_route_refuses_who_shows_no_token(client):
    for method, path in (
        ("GET", "/v1/users/me"),
        ("GET", "/v1/sessions"),
        ("DELETE", "/v1/sessions/current"),
        ("POST", "/v1/sessions/revoke-others"),
        ("DELETE", f"/v1/sessions/{format_id('ses', new_id())}"),
    ):
        assert problem(await client.request(method, path)) == (401, "unauthenticated")


@pytest.fixture
async def forge(ada, rows, settings):
    """`forge(issuer="…")`: a token signed with the real key of this service, but for what is given."""
    [row] = await rows("SELECT kid, sealed_private FROM signing_keys")
    key = open_key(row["sealed_private"], kid=row["kid"], secret=settings.secret_key.get_secret_value())
    now = datetime.now(UTC)

    def sign(**changed):
        claims: dict[str, Any] = {
            "key": key,
            "kid": row["kid"],
            "issuer": settings.public_url,
            "audience": ["api"],
            "subject": ada.id,
            "client_id": "first-party",
            "session_id": parse_id("ses", ada.tokens["session"]["id"]),
            "scopes": (),
            "roles": (),
            "auth_time": now,
            "now": now,
            "lifetime": timedelta(minutes=5),
        }
        return {"Authorization": f"Bearer {sign_access_token(**claims | changed)}"}

    return sign


async def test_a_token_that_is_wrong_in_one_thing_is_refused(client, forge):
    assert (await client.get("/v1/users/me", headers=forge())).status_code == 200
    other = generate_key()
    for wrong in (
        forge(now=datetime.now(UTC) - timedelta(minutes=6)),
        forge(key=other),
        forge(key=other, kid=key_id(other)),
        forge(issuer="https://elsewhere.example"),
        forge(audience=["another-api"]),
        forge(session_id=new_id()),
        forge(subject=format_id("usr", new_id())),
    ):
        assert problem(await client.get("/v1/users/me", headers=wrong)) == (401, "unauthenticated")


async def test_a_machine_client_has_no_account_and_no_sessions(client, machine):
    headers = await (await machine("users:read")).headers()
    for method, path in (
        ("GET", "/v1/users/me"),
        ("PATCH", "/v1/users/me"),
        ("PUT", "/v1/users/me/password"),
        ("POST", "/v1/users/me/email-changes"),
        ("POST", "/v1/users/me/email-changes/confirm"),
        ("GET", "/v1/sessions"),
        ("POST", "/v1/sessions/revoke-others"),
    ):
        assert problem(await client.request(method, path, headers=headers)) == (403, "insufficient_scope")
