"""Machine clients get access tokens for a secret, and nothing else gets one (RFC 6749)."""

import asyncio
import base64
from urllib.parse import quote_plus

import jwt
import pytest

from core.database import DatabaseUnavailable
from core.testing import problem, running
from users.clients.repository import ProofRepository
from users.clients.rules.secrets import digest_of

TOKEN = "/v1/oauth/token"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
GRANT = {"grant_type": "client_credentials"}


def refusal(response):
    """Status and error; after a look at what every refusal has (RFC 6749, section 5.2)."""
    assert response.headers["content-type"] == "application/json"
    assert (response.headers["cache-control"], response.headers["pragma"]) == ("no-store", "no-cache")
    assert (response.headers.get("www-authenticate") is None) == (response.status_code != 401)
    body = response.json()
    assert set(body) == {"error", "error_description"}
    return response.status_code, body["error"]


def basic(client_id, secret):
    return {"Authorization": f"Basic {base64.b64encode(f'{client_id}:{secret}'.encode()).decode()}"}


@pytest.fixture
async def exporter(machine):
    return await machine("users:read", "billing:read")


async def test_a_secret_gets_a_token_of_five_minutes_with_all_that_the_client_may(client, exporter, settings):
    response = await exporter.ask()
    assert response.status_code == 200
    assert (response.headers["cache-control"], response.headers["pragma"]) == ("no-store", "no-cache")
    body = response.json()
    token = body.pop("access_token")
    assert body == {"token_type": "Bearer", "expires_in": 300, "scope": "billing:read users:read"}
    [key, *_] = (await client.get("/.well-known/jwks.json")).json()["keys"]
    assert jwt.get_unverified_header(token) == {"alg": "ES256", "typ": "at+jwt", "kid": key["kid"]}
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["iss"], claims["aud"]) == (settings.public_url, ["api"])
    assert claims["sub"] == claims["client_id"] == exporter.id
    assert (claims["scope"], claims["roles"]) == ("billing:read users:read", [])
    assert claims["exp"] - claims["iat"] == 300
    assert {"sid", "auth_time"}.isdisjoint(claims)


async def test_a_token_opens_what_its_scopes_say_and_nothing_else(client, exporter, machine, ada):
    assert (await client.get("/v1/users", headers=await exporter.headers())).status_code == 200
    other = await machine("billing:read")
    assert problem(await client.get("/v1/users", headers=await other.headers())) == (403, "insufficient_scope")


async def test_a_client_gets_the_part_of_its_scopes_that_it_asks_for(exporter):
    assert (await exporter.ask(scope="users:read")).json()["scope"] == "users:read"
    # A parameter without a value counts as absent (RFC 6749, section 3.2).
    assert (await exporter.ask(scope="")).json()["scope"] == "billing:read users:read"


async def test_a_scope_beyond_its_own_is_refused_and_not_left_out(exporter):
    for scope in ("users:write", "users:read users:write", "users:read  billing:read", "nonsense", " "):
        assert refusal(await exporter.ask(scope=scope)) == (400, "invalid_scope")


async def test_no_other_grant_is_supported(client, exporter, ada):
    for grant in ("password", "authorization_code", "refresh_token", "implicit", "CLIENT_CREDENTIALS"):
        data = {"grant_type": grant, "username": ada.email, "password": ada.password}
        assert refusal(await client.post(TOKEN, data=data)) == (400, "unsupported_grant_type")
        assert refusal(await exporter.ask(grant_type=grant)) == (400, "unsupported_grant_type")


async def test_unknown_and_revoked_clients_and_wrong_secrets_are_refused_alike(client, exporter, machine, rows, same):
    revoked, keyed = await machine("users:read"), await machine("users:read", with_key=True)
    digest = digest_of(revoked.secret)
    await rows("UPDATE service_clients SET revoked_at = now() WHERE secret_digest = $1", digest)
    shown = [
        (exporter.id, "not its secret"),
        (exporter.id, ""),
        (revoked.id, revoked.secret),
        (keyed.id, "a secret that it does not have"),
        ("svc_01h455vb4pex5vsknk084sn02q", "a secret"),
        ("nobody", "a secret"),
        # The same id, as a user's.
        (exporter.id.replace("svc_", "usr_"), exporter.secret),
    ]
    refused = [await client.post(TOKEN, data=GRANT, auth=each) for each in shown]
    assert [refusal(each) for each in refused] == [(401, "invalid_client")] * len(shown)
    assert same(*refused)


async def test_an_unknown_client_costs_as_many_queries_as_a_known_one(client, exporter, queries):
    with queries() as for_known:
        await client.post(TOKEN, data=GRANT, auth=(exporter.id, "wrong"))
    for unknown in ("svc_01h455vb4pex5vsknk084sn02q", "nobody"):
        with queries() as for_unknown:
            await client.post(TOKEN, data=GRANT, auth=(unknown, "wrong"))
        assert for_unknown == for_known
    assert len(for_known) == 1


async def test_id_and_secret_are_form_encoded_within_the_header(client, exporter, rows):
    secret = "a+b c%3A:ä"
    await rows("UPDATE service_clients SET secret_digest = $1", digest_of(secret))
    encoded = basic(quote_plus(exporter.id), quote_plus(secret))
    assert (await client.post(TOKEN, data=GRANT, headers=encoded)).status_code == 200
    for wrong in (secret, "%ff", "a%"):
        assert refusal(await client.post(TOKEN, data=GRANT, headers=basic(exporter.id, wrong))) == (
            401,
            "invalid_client",
        )


async def test_a_header_that_is_not_basic_with_a_secret_is_refused(client):
    without_a_colon = "Basic c3ZjX3dpdGhvdXRfYV9jb2xvbg=="
    for header in ("Basic", "Basic !", without_a_colon, "Bearer a.b.c", "Digest a", "Basic \xff", ""):
        response = await client.post(TOKEN, data=GRANT, headers={"Authorization": header.encode("latin-1")})
        assert refusal(response) == (401, "invalid_client")
        assert response.headers["www-authenticate"].startswith("Basic realm=")


async def test_a_secret_in_the_body_is_refused_however_right_it_is(client, exporter):
    data = GRANT | {"client_id": exporter.id, "client_secret": exporter.secret}
    refused = await client.post(TOKEN, data=data)
    assert refusal(refused) == (401, "invalid_client")
    assert "Authorization header" in refused.json()["error_description"]
    assert refusal(await exporter.ask(client_secret=exporter.secret)) == (400, "invalid_request")


async def test_no_proof_at_all_is_refused(client, exporter):
    assert refusal(await client.post(TOKEN, data=GRANT)) == (401, "invalid_client")
    assert refusal(await client.post(TOKEN, data=GRANT | {"client_id": exporter.id})) == (401, "invalid_client")


async def test_two_proofs_are_one_too_many(client, exporter):
    twice = [("Authorization", value) for value in basic(exporter.id, exporter.secret).values()] * 2
    assert refusal(await client.post(TOKEN, data=GRANT, headers=twice)) == (400, "invalid_request")
    assert refusal(await exporter.ask(client_assertion="a.b.c")) == (400, "invalid_request")


async def test_the_client_id_of_the_body_is_the_one_that_is_proven(exporter):
    assert (await exporter.ask(client_id=exporter.id)).status_code == 200
    assert refusal(await exporter.ask(client_id="svc_01h455vb4pex5vsknk084sn02q")) == (401, "invalid_client")


async def test_a_body_that_is_no_request_is_refused(client, exporter):
    bodies = [
        b"",
        b"scope=users:read",
        b"grant_type=",
        b"grant_type=client_credentials&grant_type=client_credentials",
        b"grant_type=client_credentials&scope=users:read&scope=billing:read",
        b"grant_type=client_credentials&scope=%ff",
        b"grant_type=client_credentials&\xff=1",
        b"grant_type",
        b"grant_type=client_credentials&" + b"&".join(b"a%d=1" % each for each in range(40)),
    ]
    for body in bodies:
        response = await client.post(TOKEN, content=body, headers=FORM, auth=(exporter.id, exporter.secret))
        assert refusal(response) == (400, "invalid_request"), body


async def test_parameters_in_the_url_are_refused(client, exporter):
    auth = (exporter.id, exporter.secret)
    for query in ("?scope=users:read", f"?client_id={exporter.id}&client_secret={exporter.secret}"):
        assert refusal(await client.post(f"{TOKEN}{query}", data=GRANT, auth=auth)) == (400, "invalid_request")


async def test_what_is_no_form_or_too_large_is_a_problem_as_everywhere(client, exporter):
    auth = (exporter.id, exporter.secret)
    assert problem(await client.post(TOKEN, json=GRANT, auth=auth)) == (415, "unsupported_media_type")
    assert problem(await client.post(TOKEN, auth=auth)) == (415, "unsupported_media_type")
    large = b"grant_type=client_credentials&a=" + b"x" * 16_384
    refused = await client.post(TOKEN, content=large, headers=FORM, auth=auth)
    assert problem(refused) == (413, "content_too_large")


async def test_guessing_writes_no_row_and_no_secret_into_the_log(client, exporter, rows, logs):
    for client_id in (exporter.id, "svc_01h455vb4pex5vsknk084sn02q"):
        await client.post(TOKEN, data=GRANT, auth=(client_id, "canary-plum-tractor"))
        data = GRANT | {"client_id": client_id, "client_secret": "canary-plum-tractor"}
        await client.post(TOKEN, data=data)
    await exporter.ask()
    assert not await rows("SELECT 1 FROM client_assertions")
    assert not await rows("SELECT 1 FROM audit_events WHERE subject LIKE 'svc%' OR actor LIKE 'svc%'")
    assert "canary" not in str(logs)
    assert exporter.secret not in str(logs)
    [line] = [line for line in logs if line["event"] == "access token for a machine client"]
    assert (line["client_id"], line["scope"]) == (exporter.id, "billing:read users:read")


async def test_a_client_that_is_revoked_is_refused_at_once_with_the_token_that_it_has(client, exporter, rows):
    headers = await exporter.headers()
    assert (await client.get("/v1/users", headers=headers)).status_code == 200
    await rows("UPDATE service_clients SET revoked_at = now()")
    refused = await client.get("/v1/users", headers=headers)
    assert problem(refused) == (401, "unauthenticated")
    assert refused.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert refusal(await exporter.ask()) == (401, "invalid_client")


async def test_a_token_costs_one_query_and_no_transaction(exporter, queries):
    with queries() as sent:
        assert (await exporter.ask()).status_code == 200
    assert len(sent) == 1


async def test_a_machine_is_nobody_on_the_routes_of_a_user(app, client, exporter):
    headers, mine = await exporter.headers(), 0
    for route in app.routes:
        path = getattr(route, "path", "")
        if not (path.startswith(("/v1/users/me", "/v1/sessions")) and asks_for_a_user(route)):
            continue
        mine += 1
        for method in route.methods:
            url = path.replace("{session_id}", "ses_01h455vb4pex5vsknk084sn02q")
            refused = await client.request(method, url, headers=headers | {"If-Match": "*"}, json={})
            assert refused.status_code in (403, 422), (method, path, refused.status_code)
            if refused.status_code == 403:
                assert problem(refused) == (403, "insufficient_scope")
    assert mine >= 4


def asks_for_a_user(route):
    def calls(dependant):
        yield getattr(dependant.call, "__name__", "")
        for each in dependant.dependencies:
            yield from calls(each)

    return "_signed_in" in calls(route.dependant)


async def test_one_client_address_may_ask_only_so_often(build, machine):
    exporter = await machine("users:read")
    async with running(await build(limits={"client_tokens": "2/hour"})) as limited:
        exporter.client = limited
        asked = [await exporter.ask() for _ in range(3)]
    assert [each.status_code for each in asked] == [200, 200, 429]
    assert problem(asked[2]) == (429, "rate_limited")


async def test_many_at_once_each_get_a_token(exporter):
    answers = await asyncio.gather(*[exporter.ask() for _ in range(20)])
    assert {each.status_code for each in answers} == {200}
    assert len({each.json()["access_token"] for each in answers}) == 20


async def test_a_database_that_is_away_is_no_refusal_of_the_client(exporter, monkeypatch):
    async def away(self, client_id):
        raise DatabaseUnavailable

    monkeypatch.setattr(ProofRepository, "find", away)
    assert problem(await exporter.ask()) == (503, "database_unavailable")
