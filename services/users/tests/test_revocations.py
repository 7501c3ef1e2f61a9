"""Whoever was locked out is refused at once on every route, and not only on those of their own account."""

import pytest

from core.testing import problem


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE sessions SET revoked_at = now()",
        "UPDATE sessions SET idle_expires_at = now() - interval '1 hour'",
        "UPDATE users SET status = 'suspended'",
        "UPDATE users SET status = 'deleting'",
        "DELETE FROM sessions",
    ],
)
async def test_an_admin_whose_session_is_over_reads_nobody(client, admin, rows, change):
    assert (await client.get("/v1/users", headers=admin.headers)).status_code == 200
    await rows(change)
    for path in ("/v1/users", "/v1/audit-events", "/v1/users/me", "/v1/sessions"):
        refused = await client.get(path, headers=admin.headers)
        assert problem(refused) == (401, "unauthenticated")
        assert refused.headers["www-authenticate"] == 'Bearer error="invalid_token"'


async def test_another_session_goes_on(client, admin, person, rows):
    other = person(admin.email)
    await other.sign_in()
    await rows("UPDATE sessions SET revoked_at = now() WHERE id <> (SELECT max(id::text)::uuid FROM sessions)")
    assert problem(await client.get("/v1/users", headers=admin.headers)) == (401, "unauthenticated")
    assert (await client.get("/v1/users", headers=other.headers)).status_code == 200


async def test_the_look_costs_one_query(client, admin, machine, queries):
    exporter = await machine("users:read")
    for headers in (admin.headers, await exporter.headers()):
        with queries() as sent:
            assert (await client.get("/v1/users", headers=headers)).status_code == 200
        assert len(sent) == 2


async def test_a_token_that_a_developers_machine_has_signed_is_of_no_session(client, signed_in, ada):
    assert (await client.get("/v1/users", headers=signed_in("users:read"))).status_code == 200
    assert problem(await client.get("/v1/users", headers=signed_in("audit:read"))) == (403, "insufficient_scope")
