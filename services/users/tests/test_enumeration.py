"""Nobody learns who has an account: whatever stands behind an address, the answer and the work are the same.

Work is counted, not timed (ASVS 5.0, 6.3.8): statements, events and hashes of a request.
"""

from dataclasses import dataclass

import httpx
import pytest
from argon2 import PasswordHasher

PASSWORD = "plum tractor orbit velvet"
STATES = ("pending", "active", "suspended", "deleting")
# What tells two requests of anybody apart.
OF_THE_REQUEST = {"x-request-id", "server-timing", "ratelimit"}

ASKED_BY_STRANGERS = [
    ("/v1/users", {"password": PASSWORD, "name": "Ada"}),
    ("/v1/email-verifications", {}),
    ("/v1/sessions", {"password": "not the password at all"}),
    ("/v1/password-resets", {}),
]


@dataclass
class Seen:
    """What the caller sees of an answer, and what a clock would see of the work."""

    status: int
    headers: dict[str, str]
    body: dict[str, object]
    statements: int
    events: int
    hashes: list[str]


@pytest.fixture
async def everybody(client, join, rows):
    """Somebody in every state that an account can be in, and an address that is nobody's."""
    await client.post("/v1/users", json={"email": "pending@example.com", "password": PASSWORD})
    for state in STATES[1:]:
        await join(f"{state}@example.com")
        await rows("UPDATE users SET status = $1 WHERE email = $2", state, f"{state}@example.com")
    return {state: f"{state}@example.com" for state in ("unknown", *STATES)}


@pytest.fixture
def seen(client, queries, monkeypatch):
    """`await seen("/v1/sessions", body)`: what is to be seen of one request."""
    hashes: list[str] = []

    def counted(name):
        work = getattr(PasswordHasher, name)

        def count(*given):
            hashes.append(name)
            return work(*given)

        monkeypatch.setattr(PasswordHasher, name, count)

    counted("hash")
    counted("verify")

    async def run(path: str, body: dict[str, str], **options) -> Seen:
        hashes.clear()
        with queries() as said:
            response: httpx.Response = await client.post(path, json=body, **options)
        headers = {name: value for name, value in response.headers.items() if name not in OF_THE_REQUEST}
        told = {name: value for name, value in response.json().items() if name not in {"instance", "request_id"}}
        events = sum("INSERT INTO outbox" in statement for statement in said)
        return Seen(response.status_code, headers, told, len(said), events, hashes.copy())

    return run


@pytest.mark.parametrize(("path", "body"), ASKED_BY_STRANGERS)
async def test_whatever_stands_behind_an_address_a_stranger_sees_the_same(everybody, seen, path, body):
    answers = {state: await seen(path, {"email": email, **body}) for state, email in everybody.items()}
    assert answers == dict.fromkeys(everybody, answers["unknown"])
    assert answers["unknown"].statements


async def test_nor_is_it_seen_when_there_were_too_many_attempts(everybody, seen):
    answers = {}
    for state, email in everybody.items():
        wrong = {"email": email, "password": "not the password at all"}
        tried = [await seen("/v1/sessions", wrong) for _ in range(6)]
        answers[state] = tried[-1]
    assert answers == dict.fromkeys(everybody, answers["unknown"])
    assert (answers["unknown"].status, answers["unknown"].hashes) == (429, [])


async def test_whoever_changes_their_address_learns_nothing_of_the_new_one(everybody, join, seen):
    eve = await join("eve@example.com")
    await eve.sign_in()
    answers = {}
    for state, email in everybody.items():
        body = {"new_email": email, "current_password": eve.password}
        answers[state] = await seen("/v1/users/me/email-changes", body, headers=eve.headers)
    assert answers == dict.fromkeys(everybody, answers["unknown"])
    assert answers["unknown"].status == 202
