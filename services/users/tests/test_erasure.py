"""Somebody leaves: at once for everybody who could sign in, and for good when billing has answered, or in time."""

import asyncio
from datetime import datetime, timedelta

import pytest

from core.clock import SystemClock
from core.dependencies.resources import STATE
from core.events import Event
from core.events.bus import LocalBus
from core.ids import new_id
from core.lifespan import started
from core.ports import Ports
from core.testing import problem
from users.privacy.jobs import erase_overdue_users

GONE = {"status": "erased", "address": None, "email": None, "name": None, "locale": None, "metadata": {}}


@pytest.fixture
def ports(clock):
    return Ports(clock=clock, bus=LocalBus())


@pytest.fixture
async def ada(ada):
    """Somebody who is signed in."""
    await ada.sign_in()
    return ada


@pytest.fixture
def leave(client):
    """`await leave(ada)`: asks for the erasure of an account."""

    async def run(person, **body):
        body = body or {"current_password": person.password}
        return await client.request("DELETE", "/v1/users/me", headers=person.headers, json=body)

    return run


@pytest.fixture
def answer(ports):
    """`await answer(ada)`: billing has closed the customer that somebody was."""

    async def run(person, sequence=1):
        told = {"source": "billing", "subject": person.id, "sequence": sequence, "time": SystemClock().now()}
        data = {"id": "cus_1", "user_id": person.id}
        await ports.bus.publish([Event(id=new_id(), type="customer.closed", data=data, **told)])

    return run


@pytest.fixture
def erased(rows, becomes):
    """`await erased(ada)`: returns when somebody is."""

    async def is_erased(email):
        # Whoever it was has no address any more.
        return not await rows("SELECT 1 FROM users WHERE email = $1", email)

    return lambda person: becomes(lambda: is_erased(person.email))


async def test_an_account_is_closed_at_once(client, ada, leave, clock, rows):
    before = dict(ada.tokens)
    response = await leave(ada)
    assert response.status_code == 202
    body = response.json()
    assert body["status"] == "deleting"
    assert datetime.fromisoformat(body["erased_by"]) == clock.now() + timedelta(days=30)
    assert problem(await client.get("/v1/users/me", headers=ada.headers)) == (401, "unauthenticated")
    assert problem(await ada.refresh(before["refresh_token"])) == (401, "invalid_refresh_token")
    assert problem(await ada.sign_in()) == (401, "invalid_credentials")
    assert await rows("SELECT 1 FROM sessions WHERE revoked_at IS NULL") == []
    events = await rows("SELECT type, subject, sequence, data FROM outbox WHERE type LIKE 'user.erasure%'")
    assert events == [
        {"type": "user.erasure_requested", "subject": ada.id, "sequence": 3, "data": {"id": ada.id}},
    ]
    # Everything is still there for whoever has to answer.
    [user] = await rows("SELECT status, email FROM users")
    assert user == {"status": "deleting", "email": ada.email}


async def test_only_who_knows_the_password_closes_an_account(client, ada, leave, rows):
    for body, told in (
        ({"current_password": "another " + ada.password}, (401, "invalid_credentials")),
        ({"current_password": ""}, (401, "invalid_credentials")),
        ({"password": ada.password}, (422, "validation_failed")),
        ({"current_password": ada.password, "id": ada.id}, (422, "validation_failed")),
    ):
        assert problem(await leave(ada, **body)) == told
    response = await client.request("DELETE", "/v1/users/me", json={"current_password": ada.password})
    assert problem(response) == (401, "unauthenticated")
    assert await rows("SELECT status FROM users") == [{"status": "active"}]
    assert await rows("SELECT 1 FROM outbox WHERE type LIKE 'user.erasure%'") == []


async def test_one_who_leaves_several_times_at_once_leaves_once(ada, leave, rows):
    answers = await asyncio.gather(*(leave(ada) for _ in range(5)))
    assert min(answer.status_code for answer in answers) == 202
    assert {problem(answer)[0] for answer in answers if answer.status_code != 202} <= {401}
    assert len(await rows("SELECT 1 FROM outbox WHERE type = 'user.erasure_requested'")) == 1


async def test_the_last_admin_does_not_leave(client, ada, leave, rows):
    await rows("UPDATE users SET roles = '{user,admin}'")
    assert problem(await leave(ada)) == (409, "last_admin")
    assert (await client.get("/v1/users/me", headers=ada.headers)).status_code == 200


async def test_the_answer_of_billing_erases_and_the_address_is_free(ada, leave, answer, erased, join, rows):
    await leave(ada)
    await answer(ada)
    await erased(ada)
    assert await rows("SELECT status, address, email, name, locale, metadata FROM users") == [GONE]
    events = await rows("SELECT subject, sequence, data FROM outbox WHERE type = 'user.erased'")
    assert events == [{"subject": ada.id, "sequence": 4, "data": {"id": ada.id}}]
    again = await join(ada.email)
    assert again.id != ada.id
    assert (await again.sign_in()).status_code == 201


async def test_an_answer_that_nobody_asked_for_erases_nobody(client, ada, leave, answer, rows, becomes):
    await answer(ada)

    async def was_handled():
        return await rows("SELECT 1 FROM inbox WHERE type = 'customer.closed' AND handled_at IS NOT NULL")

    await becomes(was_handled)
    assert (await client.get("/v1/users/me", headers=ada.headers)).json()["status"] == "active"
    assert (await leave(ada)).status_code == 202


async def test_a_second_answer_changes_nothing(ada, leave, answer, erased, rows, becomes):
    await leave(ada)
    await answer(ada)
    await erased(ada)
    before = await rows("SELECT * FROM users")
    await answer(ada, sequence=2)

    async def were_handled():
        return len(await rows("SELECT 1 FROM inbox WHERE type = 'customer.closed' AND handled_at IS NOT NULL")) == 2

    await becomes(were_handled)
    assert await rows("SELECT * FROM users") == before


async def test_whom_nobody_answers_for_is_erased_after_thirty_days(ada, leave, resources, clock, rows):
    await leave(ada)
    clock.advance(timedelta(days=30))
    await erase_overdue_users(resources)
    assert await rows("SELECT status FROM users") == [{"status": "deleting"}]
    clock.advance(timedelta(seconds=1))
    await erase_overdue_users(resources)
    assert await rows("SELECT status, address, email, name, locale, metadata FROM users") == [GONE]


async def test_a_registration_with_the_address_of_who_leaves_is_told_to_the_owner(client, ada, leave, post, rows):
    await leave(ada)
    body = {"email": ada.email, "password": "another plum tractor orbit"}
    assert (await client.post("/v1/users", json=body)).status_code == 202
    assert "already have an account" in (await post.to(ada.email))[0].message.subject
    assert await rows("SELECT status FROM users") == [{"status": "deleting"}]


async def test_who_waits_to_be_erased_is_asked_for_again(ada, leave, build, rows):
    await leave(ada)
    app = await build()
    [replay] = [replay for replay in app.catalogue.replays if replay.name == "erasures"]
    async with started(app, name="users") as state:
        resources = state[STATE]
        async with resources.database.transaction() as session:
            assert await replay.count(session, resources) == 1
            [told] = await replay.retell(session, resources, None, 10)
            assert await replay.retell(session, resources, told, 10) == []
    asked = await rows("SELECT subject, sequence FROM outbox WHERE type = 'user.erasure_requested'")
    assert asked == [{"subject": ada.id, "sequence": 3}] * 2
