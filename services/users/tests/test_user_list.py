"""The list of users: who may read it, how it is filtered, and that an index serves each filter."""

from datetime import UTC, datetime, timedelta

import pytest

from core.testing import problem
from users.accounts.repository import page_of

MANY = """
INSERT INTO users (id, address, email, status, roles, version, created_at, updated_at, verified_at)
SELECT uuidv7(), n || '@example.com', n || '@example.com',
    CASE WHEN n % 500 = 0 THEN 'suspended' ELSE 'active' END,
    CASE WHEN n % 500 = 0 THEN '{user,admin}'::text[] ELSE '{user}' END, 1, now() + n * interval '1 s', now(), now()
FROM generate_series(1, 5000) n
"""


@pytest.fixture
def listed(client, admin):
    """`await listed(status="active")`: the addresses of the users whom a filter leaves, over all pages."""

    async def run(**filters):
        found, cursor = [], {}
        while cursor is not None:
            query = {"limit": 2} | filters | cursor
            page = (await client.get("/v1/users", params=query, headers=admin.headers)).json()
            found += [user["email"] for user in page["data"]]
            cursor = page["next_cursor"] and {"cursor": page["next_cursor"]}
        return found

    return run


async def test_users_are_listed_page_by_page_the_oldest_first(join, listed, rows):
    for name in ("ada", "eve", "zoe"):
        await join(f"{name}@example.com")
    # All were made at one instant.
    assert await listed() == ["admin@example.com", "ada@example.com", "eve@example.com", "zoe@example.com"]
    await rows("UPDATE users SET status = 'erased', address = NULL, email = NULL WHERE address = 'eve@example.com'")
    assert await listed() == ["admin@example.com", "ada@example.com", None, "zoe@example.com"]


async def test_each_filter_leaves_those_who_match(clock, join, listed, rows):
    clock.advance(timedelta(hours=1))
    later = clock.now().isoformat()
    await join("Ada.Lovelace@example.com")
    await rows("UPDATE users SET status = 'suspended' WHERE address = 'ada.lovelace@example.com'")
    admins, people = ["admin@example.com"], ["Ada.Lovelace@example.com"]
    for filters, left in (
        ({"status": "suspended"}, people),
        ({"status": "pending"}, []),
        ({"role": "admin"}, admins),
        ({"role": "support"}, []),
        ({"role": "user"}, admins + people),
        ({"role": "admin", "status": "suspended"}, []),
        ({"email": "ada.LOVELACE@Example.com"}, people),
        ({"email": "lovelace@example.com"}, []),
        ({"created_at[gte]": later}, people),
        ({"created_at[lt]": later}, admins),
    ):
        assert await listed(**filters) == left, filters


async def test_a_filter_that_there_is_not_or_that_makes_no_sense_is_refused(client, admin):
    for name, value in (
        ("status", "gone"),
        ("role", "owner"),
        ("email", "ada"),
        ("email", "a\x00@example.com"),
        ("created_at[gte]", "yesterday"),
        ("created_at", "2026-01-01T00:00:00Z"),
        ("name", "Ada"),
    ):
        refused = await client.get("/v1/users", params={name: value}, headers=admin.headers)
        assert problem(refused) == (422, "validation_failed"), (name, value)
        assert [error["pointer"] for error in refused.json()["errors"]] == [f"#/query/{name}"]


async def test_a_cursor_works_with_the_filters_that_it_was_given_for(client, join, admin):
    await join("ada@example.com")
    page = (await client.get("/v1/users?limit=1&status=active", headers=admin.headers)).json()
    for query, status in (("status=active", 200), ("status=suspended", 422), ("", 422)):
        answer = await client.get(f"/v1/users?cursor={page['next_cursor']}&{query}", headers=admin.headers)
        assert answer.status_code == status


@pytest.mark.parametrize(
    ("filters", "index"),
    [
        ({}, "ix_users_created_at"),
        ({"created_at_gte": datetime(2027, 1, 1, tzinfo=UTC)}, "ix_users_created_at"),
        ({"created_at_lt": datetime(2026, 1, 1, tzinfo=UTC)}, "ix_users_created_at"),
        ({"status": "suspended"}, "ix_users_status"),
        ({"role": "user"}, "ix_users_created_at"),
        ({"role": "admin", "staff": None}, "ix_users_staff"),
        ({"email": "17@example.com"}, "uq_users_address_live"),
    ],
    ids=str,
)
async def test_an_index_serves_each_filter(rows, plan, filters, index):
    await rows(MANY)
    await rows("ANALYZE users")
    assert index in await plan(page_of(*sorted(filters)), **{n: v for n, v in filters.items() if v is not None})


async def test_support_sees_and_admins_change(client, ada, admin, staff, machine):
    await ada.sign_in()
    support = await staff("support@example.com", "support")
    path = f"/v1/users/{ada.id}"
    reads = [("GET", "/v1/users"), ("GET", path)]
    writes = [("PATCH", path), ("POST", f"{path}/password-reset"), ("DELETE", f"{path}/sessions")]
    for headers, read, written in (
        ({}, 401, 401),
        (ada.headers, 403, 403),
        (support.headers, 200, 403),
        (admin.headers, 200, 200),
        (await (await machine("billing:read")).headers(), 403, 403),
        (await (await machine("users:read")).headers(), 200, 403),
        (await (await machine("users:write")).headers(), 403, 200),
    ):
        for method, url in reads + writes:
            body = {"roles": ["user"]} if method == "PATCH" else None
            answer = await client.request(method, url, json=body, headers=headers | {"If-Match": "*"})
            expected = read if method == "GET" else written
            assert (200 if answer.is_success else answer.status_code) == expected, (method, url)


async def test_what_a_machine_did_is_known_by_its_id(client, ada, rows, machine):
    robot = await machine("users:write")
    headers = await robot.headers() | {"If-Match": "*"}
    changed = await client.patch(f"/v1/users/{ada.id}", json={"status": "suspended"}, headers=headers)
    assert changed.status_code == 200
    [line] = await rows("SELECT actor FROM audit_events WHERE action = 'user.suspended'")
    assert line["actor"] == robot.id
