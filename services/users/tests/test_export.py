"""What is given out of somebody is all that is held of them, but for what proves who they are."""

import pytest

from core.testing import problem

# What is held and not given out: it would let whoever reads the file in, or names nothing of the person.
KEPT_BACK = {
    "credentials": {"password_hash"},
    "one_time_tokens": {"id", "digest"},
    "audit_events": {"id"},
    "former_addresses": {"id"},
    "login_throttles": {"key", "attempts", "attempted_at", "blocked_until"},
}
# Under which name a column is given out, where it is not its own.
GIVEN_AS = {"credentials": {"changed_at": "password_changed_at"}}
# Tables of the service itself, and what core keeps of the machinery for a few days: ids alone (tests/test_canary.py).
OF_NOBODY = {
    *("signing_keys", "service_clients", "client_assertions", "jobs", "alembic_version", "idempotency_keys"),
    *("outbox", "inbox", "inbox_sequences", "bus_positions", "revoked_sessions"),
}


@pytest.fixture
async def ada(client, ada):
    """Somebody who is signed in, has a name, and waits for a mail."""
    await ada.sign_in(device_name="Ada's laptop")
    body = {"new_email": "lovelace@example.com", "current_password": ada.password}
    await client.post("/v1/users/me/email-changes", json=body, headers=ada.headers)
    return ada


async def test_everything_is_given_out_and_to_its_owner_alone(client, ada, join):
    eve = await join("eve@example.com")
    await eve.sign_in(device_name="Eve's phone")
    response = await client.get("/v1/users/me/export", headers=ada.headers)
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    told = response.json()
    assert told["user"]["id"] == ada.id
    assert told["user"]["email"] == told["user"]["address"] == ada.email
    [session] = told["sessions"]
    assert session["id"] == ada.tokens["session"]["id"]
    assert session["device_name"] == "Ada's laptop"
    assert [token["new_email"] for token in told["one_time_tokens"]] == ["lovelace@example.com"]
    actions = [event["action"] for event in told["audit_events"]]
    assert actions[0] == "user.verified"
    assert actions[-1] == "user.exported"
    assert eve.email not in response.text
    assert "Eve's phone" not in response.text
    assert eve.id not in response.text


async def test_nothing_is_given_out_that_lets_somebody_in(client, ada, post, rows):
    text = (await client.get("/v1/users/me/export", headers=ada.headers)).text
    [credential] = await rows("SELECT password_hash FROM credentials")
    for secret in (ada.password, credential["password_hash"], await post.token_for("lovelace@example.com")):
        assert secret not in text


async def test_every_column_that_says_something_of_a_person_is_given_out(client, ada, rows):
    await rows("INSERT INTO former_addresses SELECT id, id, 'old@example.com', created_at FROM users")
    told = (await client.get("/v1/users/me/export", headers=ada.headers)).json()
    given = {
        "users": told["user"].keys(),
        "credentials": told.keys() & {"password_changed_at"},
        "sessions": told["sessions"][0].keys(),
        "one_time_tokens": told["one_time_tokens"][0].keys(),
        "audit_events": told["audit_events"][0].keys(),
        "former_addresses": told["former_addresses"][0].keys(),
    }
    columns = await rows("SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'")
    missing = [
        f"{table}.{column}"
        for table, column in ((row["table_name"], row["column_name"]) for row in columns)
        if table not in OF_NOBODY
        and column != "user_id"
        and column not in KEPT_BACK.get(table, ())
        and GIVEN_AS.get(table, {}).get(column, column) not in given.get(table, ())
    ]
    assert missing == []


async def test_nothing_is_given_out_without_a_token(client, ada):
    assert problem(await client.get("/v1/users/me/export")) == (401, "unauthenticated")


async def test_a_file_is_made_ten_times_an_hour_at_most(client, ada):
    answers = [await client.get("/v1/users/me/export", headers=ada.headers) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert "retry-after" in answers[-1].headers
