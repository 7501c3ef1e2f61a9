"""The audit trail: who reads it and how, that nobody changes it, and that it is true."""

from datetime import timedelta

import asyncpg
import pytest

from core.testing import problem
from users.audit.repository import page_of

REQUEST_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
MANY = """
INSERT INTO audit_events (id, occurred_at, action, actor, subject, details)
SELECT uuidv7(), now() + n * interval '1 s', 'action ' || n % 100, 'actor ' || n % 500, 'subject ' || n % 1000, '{}'
FROM generate_series(1, 5000) n
"""


@pytest.fixture
def read(client, admin):
    """`await read(actor="usr_…")`: the lines that a filter leaves, on one page."""

    async def run(**query):
        answer = await client.get("/v1/audit-events", params={"limit": 100} | query, headers=admin.headers)
        assert answer.status_code == 200
        return answer.json()

    return run


async def test_who_did_what_to_whom_is_told_the_newest_first(client, ada, admin, read, clock):
    clock.advance(timedelta(seconds=1))
    headers = admin.headers | {"If-Match": "*", "X-Request-ID": REQUEST_ID}
    await client.patch(f"/v1/users/{ada.id}", json={"roles": ["user", "support"]}, headers=headers)
    newest = (await read())["data"][0]
    assert newest.pop("id").startswith("aud_")
    assert newest == {
        "occurred_at": clock.now().isoformat().replace("+00:00", "Z"),
        "action": "user.roles_changed",
        "actor": admin.id,
        "subject": ada.id,
        "request_id": REQUEST_ID,
        "details": {"given": ["support"], "taken": []},
    }


async def test_lines_of_one_instant_keep_an_order_and_pages_stand_still_while_lines_are_added(ada, read):
    # The clock stands: what happens now happens at one instant.
    before = [line["id"] for line in (await read())["data"]]
    page, seen = await read(limit=2), []
    while page["next_cursor"]:
        seen += page["data"]
        await ada.sign_in()
        page = await read(limit=2, cursor=page["next_cursor"])
    seen += page["data"]
    assert [line["id"] for line in seen] == before
    assert len(before) > 2
    assert [line["id"] for line in (await read())["data"]][-len(before) :] == before


async def test_each_filter_leaves_what_matches(client, ada, admin, read, clock):
    clock.advance(timedelta(hours=1))
    later = clock.now().isoformat()
    await client.patch(f"/v1/users/{ada.id}", json={"status": "suspended"}, headers=admin.headers | {"If-Match": "*"})
    suspended = ("user.suspended", admin.id, ada.id)

    async def found(**filters):
        return [(line["action"], line["actor"], line["subject"]) for line in (await read(**filters))["data"]]

    everything = await found()
    assert everything[0] == suspended
    for filters, left in (
        ({"actor": admin.id}, [line for line in everything if line[1] == admin.id]),
        ({"actor": ada.id}, [line for line in everything if line[1] == ada.id]),
        ({"subject": ada.id}, [line for line in everything if line[2] == ada.id]),
        ({"action": "user.verified"}, [line for line in everything if line[0] == "user.verified"]),
        ({"actor": admin.id, "subject": ada.id, "action": "user.suspended"}, [suspended]),
        ({"actor": ada.id, "action": "user.suspended"}, []),
        ({"occurred_at[gte]": later}, [suspended]),
        ({"occurred_at[lt]": later}, everything[1:]),
        ({"subject": "nobody"}, []),
    ):
        assert await found(**filters) == left, filters
        assert left != everything


async def test_a_filter_that_there_is_not_or_that_makes_no_sense_is_refused(client, admin):
    for name, value in (
        ("action", "user.applauded"),
        ("actor", "a\x00"),
        ("subject", ""),
        ("occurred_at[gte]", "yesterday"),
        ("occurred_at[gt]", "2026-01-01T00:00:00Z"),
        ("request_id", "1"),
    ):
        refused = await client.get("/v1/audit-events", params={name: value}, headers=admin.headers)
        assert problem(refused) == (422, "validation_failed"), (name, value)
        assert [error["pointer"] for error in refused.json()["errors"]] == [f"#/query/{name}"]


@pytest.mark.parametrize(
    ("filters", "index"),
    [
        ({}, "ix_audit_events_occurred_at"),
        ({"actor": "actor 1"}, "ix_audit_events_actor"),
        ({"subject": "subject 1"}, "ix_audit_events_subject"),
        ({"action": "action 1"}, "ix_audit_events_action"),
    ],
    ids=str,
)
async def test_an_index_serves_each_filter(rows, plan, filters, index):
    await rows(MANY)
    await rows("ANALYZE audit_events")
    assert index in await plan(page_of(*filters), newest_first=True, **filters)


async def test_support_and_admins_read_it_and_nobody_writes_it(client, ada, admin, staff, machine):
    await ada.sign_in()
    support = await staff("support@example.com", "support")
    for headers, status in (
        ({}, 401),
        (ada.headers, 403),
        (support.headers, 200),
        (admin.headers, 200),
        (await (await machine("audit:read")).headers(), 200),
        (await (await machine("users:read")).headers(), 403),
    ):
        assert (await client.get("/v1/audit-events", headers=headers)).status_code == status
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answer = await client.request(method, "/v1/audit-events", headers=admin.headers)
        assert problem(answer) == (405, "method_not_allowed")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_events SET actor = 'nobody'",
        "UPDATE audit_events SET actor = 'nobody' WHERE false",
        "DELETE FROM audit_events",
        "TRUNCATE audit_events",
        "TRUNCATE audit_events CASCADE",
        "MERGE INTO audit_events USING users ON true WHEN MATCHED THEN DELETE",
        "INSERT INTO audit_events SELECT * FROM audit_events ON CONFLICT (id) DO UPDATE SET actor = 'nobody'",
    ],
)
async def test_a_line_is_not_changed_even_by_the_owner_of_the_table(ada, rows, statement):
    [owner] = await rows("SELECT tableowner = current_user AS is_me FROM pg_tables WHERE tablename = 'audit_events'")
    assert owner["is_me"]
    before = await rows("SELECT * FROM audit_events ORDER BY id")
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        await rows(statement)
    assert before
    assert await rows("SELECT * FROM audit_events ORDER BY id") == before


@pytest.mark.parametrize("table", ["users", "audit_events", "outbox"])
async def test_a_line_is_there_if_and_only_if_the_change_is(client, ada, admin, rows, commits_fail, table):
    state = "SELECT (SELECT count(*) FROM audit_events), (SELECT count(*) FROM outbox), status FROM users"
    before = await rows(state)
    await commits_fail(table)
    headers = admin.headers | {"If-Match": "*"}
    answer = await client.patch(f"/v1/users/{ada.id}", json={"status": "suspended"}, headers=headers)
    assert problem(answer) == (500, "internal_error")
    assert await rows(state) == before
