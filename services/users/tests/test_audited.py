"""Every operation that changes something leaves its lines in the audit trail, and no others."""

import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from users.audit.models import Action
from users.privacy.jobs import erase_overdue_users

README = Path(__file__).parents[1] / "README.md"
PASSWORD = "plum tractor orbit velvet"
EVE, NEW_ADDRESS, NEW_PASSWORD = "eve@example.com", "lovelace@example.com", "granite lantern pepper moss"
ASKING = {"GET", "HEAD", "OPTIONS"}


@dataclass(frozen=True)
class Scene:
    """Ada has two sessions and calls from the second; an admin has one; Eve is nobody yet."""

    client: Any
    post: Any
    ada: Any
    admin: Any
    sessions: tuple[str, str]

    @property
    def names(self) -> dict[str, str]:
        """What the lines below call those who are known."""
        first, second = self.sessions
        return {self.ada.id: "ada", self.admin.id: "admin", first: "the other session", second: "this session"}


@pytest.fixture
async def scene(client, post, ada, admin):
    first = (await ada.sign_in()).json()["session"]["id"]
    second = (await ada.sign_in()).json()["session"]["id"]
    return Scene(client, post, ada, admin, (first, second))


async def token_of_eve(scene):
    await scene.client.post("/v1/users", json={"email": EVE, "password": PASSWORD})
    return {"token": await scene.post.token_for(EVE)}


async def token_for_a_password(scene):
    await scene.client.post("/v1/password-resets", json={"email": scene.ada.email})
    return {"token": await scene.post.token_for(scene.ada.email), "new_password": NEW_PASSWORD}


async def token_of_the_new_address(scene):
    body = {"new_email": NEW_ADDRESS, "current_password": PASSWORD}
    await scene.client.post("/v1/users/me/email-changes", json=body, headers=scene.ada.headers)
    return {"token": await scene.post.token_for(NEW_ADDRESS)}


async def current_refresh_token(scene):
    return {"refresh_token": scene.ada.tokens["refresh_token"]}


async def used_refresh_token(scene):
    used = await current_refresh_token(scene)
    # Beyond the leeway that a lost answer has.
    for _ in range(2):
        await scene.ada.refresh()
    return used


KNOWN = {"email": "ada@example.com"}
CREDENTIALS = {"email": "ada@example.com", "password": PASSWORD}
PROOF = {"current_password": PASSWORD}
BOTH_SESSIONS = ("the other session", "this session")

# Operation, as whom, with what; then each line: what, by whom, to what.
OPERATIONS = [
    # What anybody can ask for as often as they like, and nobody could delete, is in the log instead.
    ("POST /v1/users", None, {"email": EVE, "password": PASSWORD}, []),
    ("POST /v1/users", None, CREDENTIALS, []),
    ("POST /v1/email-verifications", None, KNOWN, []),
    ("POST /v1/password-resets", None, KNOWN, []),
    ("POST /v1/email-verifications/confirm", None, token_of_eve, [("user.verified", "usr", "usr")]),
    (
        "POST /v1/password-resets/confirm",
        None,
        token_for_a_password,
        [("password.reset", "ada", "ada"), *(("session.revoked", "ada", each) for each in BOTH_SESSIONS)],
    ),
    ("POST /v1/sessions", None, CREDENTIALS, [("session.started", "ada", "ses")]),
    # A session that goes on is no news.
    ("POST /v1/sessions/refresh", None, current_refresh_token, []),
    (
        "POST /v1/sessions/refresh",
        None,
        used_refresh_token,
        [("refresh_token.reused", "anonymous", "this session"), ("session.revoked", "system", "this session")],
    ),
    ("POST /v1/sessions/revoke-others", "ada", PROOF, [("session.revoked", "ada", "the other session")]),
    ("DELETE /v1/sessions/current", "ada", None, [("session.revoked", "ada", "this session")]),
    ("DELETE /v1/sessions/{session_id}", "ada", None, [("session.revoked", "ada", "the other session")]),
    ("PATCH /v1/users/me", "ada", {"name": "Ada"}, [("user.updated", "ada", "ada")]),
    (
        "PUT /v1/users/me/password",
        "ada",
        PROOF | {"new_password": NEW_PASSWORD},
        [("password.changed", "ada", "ada"), ("session.revoked", "ada", "the other session")],
    ),
    (
        "POST /v1/users/me/email-changes",
        "ada",
        PROOF | {"new_email": NEW_ADDRESS},
        [("email.change_requested", "ada", "ada")],
    ),
    (
        "POST /v1/users/me/email-changes/confirm",
        "ada",
        token_of_the_new_address,
        [("email.changed", "ada", "ada"), ("session.revoked", "ada", "the other session")],
    ),
    ("GET /v1/users/me/export", "ada", None, [("user.exported", "ada", "ada")]),
    (
        "DELETE /v1/users/me",
        "ada",
        PROOF,
        [("user.erasure_requested", "ada", "ada"), *(("session.revoked", "ada", each) for each in BOTH_SESSIONS)],
    ),
    (
        "PATCH /v1/users/{user_id}",
        "admin",
        {"roles": ["user", "support"]},
        [("user.roles_changed", "admin", "ada")],
    ),
    (
        "PATCH /v1/users/{user_id}",
        "admin",
        {"status": "suspended"},
        [("user.suspended", "admin", "ada"), *(("session.revoked", "admin", each) for each in BOTH_SESSIONS)],
    ),
    ("POST /v1/users/{user_id}/password-reset", "admin", None, [("password.reset_requested", "admin", "ada")]),
    (
        "DELETE /v1/users/{user_id}/sessions",
        "admin",
        None,
        [("session.revoked", "admin", each) for each in BOTH_SESSIONS],
    ),
]
# A machine gets tokens every few minutes; that it may was written down when it was made.
WITHOUT_LINES = {"POST /v1/oauth/token"}
# What commands and jobs do, and one that takes another change before it: below, or beside their own tests.
ELSEWHERE = {
    Action.ADMIN_CREATED,
    Action.CLIENT_CREATED,
    Action.CLIENT_REVOKED,
    Action.KEY_ACTIVATED,
    Action.KEY_PUBLISHED,
    Action.KEY_REMOVED,
    Action.KEY_RETIRED,
    Action.USER_ERASED,
    Action.USER_REINSTATED,
}


@pytest.mark.parametrize(
    ("operation", "caller", "body", "lines"),
    OPERATIONS,
    ids=[f"{number} {each[0]}" for number, each in enumerate(OPERATIONS)],
)
async def test_an_operation_leaves_exactly_its_lines(scene, rows, operation, caller, body, lines):
    method, path = operation.split()
    body = await body(scene) if callable(body) else body
    headers = {"If-Match": "*"} | ({} if caller is None else getattr(scene, caller).headers)
    [last] = await rows("SELECT max(id::text) AS id FROM audit_events")
    url = path.format(user_id=scene.ada.id, session_id=scene.sessions[0])
    answer = await scene.client.request(method, url, json=body, headers=headers)
    assert answer.is_success or lines[0][0] == "refresh_token.reused"

    def name(subject):
        return scene.names.get(subject, subject.partition("_")[0])

    left = await rows("SELECT action, actor, subject FROM audit_events WHERE id > $1::uuid", last["id"])
    assert sorted((row["action"], name(row["actor"]), name(row["subject"])) for row in left) == sorted(lines)


async def test_what_is_erased_by_the_clock_is_written_down(client, ada, resources, clock, rows):
    await ada.sign_in()
    await client.request("DELETE", "/v1/users/me", json=PROOF, headers=ada.headers)
    clock.advance(timedelta(days=31))
    await erase_overdue_users(resources)
    [line] = await rows("SELECT actor, subject FROM audit_events WHERE action = 'user.erased'")
    assert line == {"actor": "system", "subject": ada.id}


async def test_every_operation_that_changes_something_is_in_the_table(client):
    paths = (await client.get("/openapi.json")).json()["paths"]
    operations = {
        f"{method.upper()} {path}" for path, item in paths.items() for method in item if method != "parameters"
    }
    changing = {operation for operation in operations if operation.split()[0] not in ASKING}
    assert changing <= {operation for operation, *_ in OPERATIONS} | WITHOUT_LINES <= operations


def test_every_action_is_somebodys():
    left = {Action(action) for *_, lines in OPERATIONS for action, *_ in lines}
    assert left | ELSEWHERE == set(Action)
    assert not left & ELSEWHERE


async def test_readme_names_every_action_and_so_does_the_document(client):
    readme = README.read_text().split("## Audit trail")[1].split("\n## ")[0]
    assert re.findall(r"^\| `([a-z_.]+)` \|", readme, re.MULTILINE) == list(Action)
    schemas = (await client.get("/openapi.json")).json()["components"]["schemas"]
    assert schemas["Action"]["enum"] == schemas["AuditEventRead"]["properties"]["action"]["enum"] == list(Action)


async def test_no_line_says_who_somebody_is_or_from_where_or_with_what(client, post, rows):
    agent = {"User-Agent": "CanaryBrowser/1.0"}
    body = {"email": "canary@example.com", "password": "canary plum tractor orbit", "name": "Canary", "locale": "en-GB"}
    await client.post("/v1/users", json=body, headers=agent)
    await client.post("/v1/users", json=body, headers=agent)
    token = {"token": await post.token_for(body["email"])}
    await client.post("/v1/email-verifications/confirm", json=token, headers=agent)
    credentials = {name: body[name] for name in ("email", "password")} | {"device_name": "Canary phone"}
    tokens = (await client.post("/v1/sessions", json=credentials, headers=agent)).json()
    headers = agent | {"Authorization": f"Bearer {tokens['access_token']}", "If-Match": "*"}
    await client.patch("/v1/users/me", json={"name": "Canary", "metadata": {"k": "canary"}}, headers=headers)
    proof = {"current_password": body["password"]}
    change = {"new_email": "canary@example.org"} | proof
    await client.post("/v1/users/me/email-changes", json=change, headers=headers)
    token_2 = {"token": await post.token_for(change["new_email"])}
    assert (await client.post("/v1/users/me/email-changes/confirm", json=token_2, headers=headers)).is_success
    await client.put("/v1/users/me/password", json=proof | {"new_password": "canary anchor violet"}, headers=headers)
    lines = "\n".join(row["line"] for row in await rows("SELECT CAST(a AS text) AS line FROM audit_events a"))
    for secret in (*token.values(), *token_2.values(), tokens["access_token"], tokens["refresh_token"], "127.0.0"):
        assert secret not in lines
    assert "canary" not in lines.lower()
