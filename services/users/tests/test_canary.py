"""Canaries in all that somebody can type: after their erasure, none is left in any column of any table."""

import pytest

from core.clock import SystemClock
from core.events import Event
from core.events.bus import LocalBus
from core.ids import new_id
from core.ports import Ports
from users.accounts.rules import normalised

CANARY = "kanarienvogel"
EMAIL = f"{CANARY}.one@example.com"
NEW_EMAIL = f"{CANARY}.Two@example.com"
PASSWORD = f"{CANARY} orbit velvet plum"
NEW_PASSWORD = f"{CANARY} tractor walnut ember"
HEADERS = {"User-Agent": f"{CANARY}/1.0", "X-Request-ID": f"{CANARY}-request"}


@pytest.fixture
def ports(clock):
    return Ports(clock=clock, bus=LocalBus())


@pytest.fixture
def everything(rows):
    """`await everything()`: the text of every row, by its table; bytes in hexadecimal."""

    async def run():
        tables = await rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        names = [table["tablename"] for table in tables]
        texts = {name: await rows(f'SELECT CAST(t AS text) AS row FROM "{name}" t') for name in names}  # noqa: S608 - names of our own tables
        return {name: "\n".join(row["row"] for row in found) for name, found in texts.items()}

    return run


def tables_with(canary: str, found: dict[str, str]) -> set[str]:
    """The tables that have it, as text or as bytes, in whatever case."""
    spellings = (canary.lower(), canary.encode().hex(), canary.lower().encode().hex())
    return {name for name, text in found.items() if any(spelling in text.lower() for spelling in spellings)}


async def live(client, person, post):
    """Everything that somebody can do who lives a whole life with us."""
    body = {"email": EMAIL, "password": PASSWORD, "name": f"{CANARY} name", "locale": "de-AT"}
    for _ in range(2):
        await client.post("/v1/users", json=body, headers=HEADERS)
    token = await post.token_for(EMAIL)
    confirmed = await client.post("/v1/email-verifications/confirm", json={"token": token}, headers=HEADERS)
    await client.post("/v1/users", json=body, headers=HEADERS)
    somebody = person(EMAIL, PASSWORD)
    somebody.id = confirmed.json()["id"]
    await client.post("/v1/sessions", json={"email": EMAIL, "password": f"{CANARY} is wrong here"}, headers=HEADERS)
    signed_in = await client.post(
        "/v1/sessions",
        json={"email": EMAIL, "password": PASSWORD, "device_name": f"{CANARY} device"},
        headers=HEADERS,
    )
    somebody.tokens = signed_in.json()
    headers = HEADERS | somebody.headers
    patch = {"name": f"{CANARY} renamed", "metadata": {CANARY: f"{CANARY} value"}}
    patched = await client.patch("/v1/users/me", json=patch, headers=headers | {"If-Match": "*"})
    assert patched.status_code == 200, patched.text
    await somebody.refresh()
    await client.post("/v1/password-resets", json={"email": EMAIL}, headers=HEADERS)
    change = {"new_email": NEW_EMAIL, "current_password": PASSWORD}
    asked = await client.post("/v1/users/me/email-changes", json=change, headers=HEADERS | somebody.headers)
    assert asked.status_code == 202, asked.text
    token = await post.token_for(NEW_EMAIL)
    changed = await client.post(
        "/v1/users/me/email-changes/confirm", json={"token": token}, headers=HEADERS | somebody.headers
    )
    assert changed.status_code == 200, changed.text
    somebody.email = NEW_EMAIL
    await post.to(EMAIL)
    await client.post("/v1/password-resets", json={"email": NEW_EMAIL}, headers=HEADERS)
    reset = {"token": await post.token_for(NEW_EMAIL), "new_password": NEW_PASSWORD}
    assert (await client.post("/v1/password-resets/confirm", json=reset, headers=HEADERS)).status_code == 204
    somebody.password = NEW_PASSWORD
    assert (await somebody.sign_in(device_name=f"{CANARY} device")).status_code == 201
    await client.get("/v1/users/me/export", headers=HEADERS | somebody.headers)
    # One that is never used.
    await client.post("/v1/password-resets", json={"email": NEW_EMAIL}, headers=HEADERS)
    another = {"new_email": f"{CANARY}.three@example.com", "current_password": NEW_PASSWORD}
    await client.post("/v1/users/me/email-changes", json=another, headers=HEADERS | somebody.headers)
    return somebody


async def test_no_canary_is_left_after_an_erasure(client, person, post, rows, everything, ports, becomes):
    somebody = await live(client, person, post)
    await post.to(NEW_EMAIL)
    # What a mail server has to say of an address that it refuses.
    await rows(
        "UPDATE inbox SET last_error = $1, handled_at = NULL, dead_at = now() WHERE position ="
        " (SELECT max(position) FROM inbox)",
        f"550 {NEW_EMAIL}: no such user",
    )
    # An address that a mail server has not taken the last mail to yet.
    await rows(
        "INSERT INTO former_addresses SELECT id, id, $1, created_at FROM users WHERE email = $2", EMAIL, NEW_EMAIL
    )
    # The test can see them: the walk is not blind.
    assert {"users", "sessions", "one_time_tokens", "inbox"} <= tables_with(CANARY, await everything())
    gone = await client.request(
        "DELETE",
        "/v1/users/me",
        json={"current_password": NEW_PASSWORD},
        headers=HEADERS | somebody.headers,
    )
    assert gone.status_code == 202, gone.text
    told = {"source": "billing", "subject": somebody.id, "sequence": 1, "time": SystemClock().now()}
    data = {"id": "cus_1", "user_id": somebody.id}
    await ports.bus.publish([Event(id=new_id(), type="customer.closed", data=data, **told)])

    async def is_erased():
        return await rows("SELECT 1 FROM users WHERE status = 'erased'")

    await becomes(is_erased)
    left = await everything()
    assert tables_with(CANARY, left) == set()
    # Nor what is computed of the address without a secret.
    assert tables_with(normalised(NEW_EMAIL), left) == set()
    assert left["credentials"] == left["one_time_tokens"] == left["login_throttles"] == ""
    # What happened is still known, of an id that names nobody.
    assert somebody.id in left["audit_events"]


async def test_what_is_known_of_others_stays(client, ada, person, post, rows, ports, becomes):
    await ada.sign_in(device_name="Ada's laptop")
    somebody = await live(client, person, post)
    before = await rows("SELECT * FROM users WHERE email = $1", ada.email)
    await client.request(
        "DELETE", "/v1/users/me", json={"current_password": NEW_PASSWORD}, headers=HEADERS | somebody.headers
    )
    told = {"source": "billing", "subject": somebody.id, "sequence": 1, "time": SystemClock().now()}
    data = {"id": "cus_1", "user_id": somebody.id}
    await ports.bus.publish([Event(id=new_id(), type="customer.closed", data=data, **told)])

    async def is_erased():
        return await rows("SELECT 1 FROM users WHERE status = 'erased'")

    await becomes(is_erased)
    assert await rows("SELECT * FROM users WHERE email = $1", ada.email) == before
    assert (await rows("SELECT device_name FROM sessions ORDER BY id"))[0] == {"device_name": "Ada's laptop"}
    assert (await client.get("/v1/users/me", headers=ada.headers)).status_code == 200
