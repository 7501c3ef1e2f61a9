"""Machine clients that have a key prove it by a signed assertion, which works once (RFC 7523)."""

import asyncio
import base64
import json
import time
from datetime import UTC, datetime, timedelta

import jwt
import pytest

from core.tokens.keys import generate_key, public_jwk
from users.clients.jobs import forget_client_assertions
from users.clients.rules import assertions

TOKEN = "/v1/oauth/token"
GRANT = {"grant_type": "client_credentials"}
NOBODY = "svc_01h455vb4pex5vsknk084sn02q"


@pytest.fixture
async def exporter(machine):
    return await machine("users:read", with_key=True)


async def show(machine, assertion):
    """The answer to a request with this assertion: what was given, or the error and what it says."""
    type_ = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    data = GRANT | {"client_assertion_type": type_, "client_assertion": assertion}
    response = await machine.client.post(TOKEN, data=data)
    body = response.json()
    return (response.status_code, body.get("error"), body.get("error_description", ""))


async def test_a_signed_assertion_gets_a_token(exporter):
    response = await exporter.ask()
    assert response.status_code == 200
    claims = jwt.decode(response.json()["access_token"], options={"verify_signature": False})
    assert claims["sub"] == claims["client_id"] == exporter.id


async def test_an_assertion_may_say_that_it_is_one_and_nothing_else(exporter):
    for type_ in ("JWT", "jwt", "client-authentication+jwt", "application/client-authentication+jwt"):
        assert (await show(exporter, exporter.assertion(header={"typ": type_})))[0] == 200
    for type_ in ("at+jwt", "id_token", "", 1):
        assert (await show(exporter, with_header(exporter, typ=type_)))[:2] == (401, "invalid_client")


async def test_an_assertion_may_name_a_list_of_this_issuer_alone_and_a_fraction_of_a_second(exporter):
    assert (await show(exporter, exporter.assertion(aud=[exporter.issuer])))[0] == 200
    assert (await show(exporter, exporter.assertion(exp=time.time() + 60.5, iat=None)))[0] == 200


async def test_an_assertion_works_once(exporter):
    assertion = exporter.assertion()
    assert (await show(exporter, assertion))[0] == 200
    refused = await show(exporter, assertion)
    assert refused[:2] == (401, "invalid_client")
    assert "jti" in refused[2]


async def test_a_jti_works_once_and_is_each_clients_own(exporter, machine):
    assert (await show(exporter, exporter.assertion(jti="1")))[0] == 200
    assert (await show(exporter, exporter.assertion(jti="1", exp=int(time.time()) + 120)))[0] == 401
    other = await machine("users:read", with_key=True)
    assert (await show(other, other.assertion(jti="1")))[0] == 200


async def test_of_many_who_show_one_assertion_at_once_one_gets_a_token(exporter, rows):
    assertion = exporter.assertion()
    answers = await asyncio.gather(*[show(exporter, assertion) for _ in range(20)])
    assert sorted(status for status, *_ in answers) == [200] + [401] * 19
    assert len(await rows("SELECT 1 FROM client_assertions")) == 1


async def test_what_is_wrong_with_an_assertion_is_told_to_who_has_signed_it(exporter, rows):
    wrong = [
        ({"aud": "https://other.example"}, "aud"),
        # RFC 7523 would take it; draft-ietf-oauth-rfc7523bis no longer does.
        ({"aud": "http://service.test/v1/oauth/token"}, "aud"),
        ({"aud": ["http://service.test", "https://other.example"]}, "aud"),
        ({"aud": []}, "aud"),
        ({"iss": NOBODY}, "iss"),
        ({"exp": -61}, "expired"),
        ({"exp": 400}, "exp is more than 300 seconds ahead"),
        # The last minute of the year 9999.
        ({"exp": 253_402_300_769 - int(time.time())}, "exp is more than 300 seconds ahead"),
        ({"iat": 90}, "iat"),
        ({"nbf": 90}, "iat"),
    ]
    told_to_others = await show(exporter, exporter.assertion(key=generate_key()))
    for claims, told in wrong:
        now = int(time.time())
        said = {name: now + value if isinstance(value, int) else value for name, value in claims.items()}
        status, error, description = await show(exporter, exporter.assertion(**said))
        assert (status, error, told in description) == (401, "invalid_client", True), description
        assert await show(exporter, exporter.assertion(key=generate_key(), **said)) == told_to_others
    assert not await rows("SELECT 1 FROM client_assertions")


async def test_an_assertion_that_lacks_a_claim_or_has_another_kind_of_it_is_refused(exporter):
    changes = [
        *({name: None} for name in ("iss", "sub", "aud", "exp", "jti")),
        *({"jti": ""}, {"jti": 1}, {"exp": "60"}, {"exp": -1}, {"exp": 1e300}, {"iat": "now"}),
        *({"sub": 1}, {"aud": 1}, {"aud": [1]}),
    ]
    usual = {"iss": exporter.id, "sub": exporter.id, "aud": exporter.issuer, "exp": int(time.time()) + 60, "jti": "1"}
    for change in changes:
        said = {name: value for name, value in (usual | change).items() if value is not None}
        told = await show(exporter, signed(exporter, {"alg": "ES256"}, said))
        assert told[:2] == (401, "invalid_client"), change
    assert (await show(exporter, signed(exporter, {"alg": "ES256"}, usual)))[0] == 200


async def test_what_the_client_has_not_signed_is_refused_and_stored_nowhere(exporter, machine, rows):
    other, secretive = await machine("users:read", with_key=True), await machine("users:read")
    revoked = await machine("users:read", with_key=True)
    thumbprint = public_jwk(revoked.key)["kid"]
    await rows("UPDATE service_clients SET revoked_at = now() WHERE public_jwk ->> 'kid' = $1", thumbprint)
    public = json.dumps(public_jwk(exporter.key)).encode()
    head, body, signature = exporter.assertion().split(".")
    shown = {
        "another client's key": exporter.assertion(key=other.key),
        "a client that has a secret": other.assertion(iss=secretive.id, sub=secretive.id),
        "a revoked client": revoked.assertion(),
        "an unknown client": exporter.assertion(iss=NOBODY, sub=NOBODY),
        "no client": exporter.assertion(iss="nobody", sub="nobody"),
        "a user": exporter.assertion(iss=NOBODY.replace("svc", "usr"), sub=NOBODY.replace("svc", "usr")),
        "no signature": f"{head}.{body}.",
        "another's signature": f"{head}.{body}.{other.assertion().rpartition('.')[2]}",
        "alg none": f"{encoded({'alg': 'none'})}.{body}.{signature}",
        "the public key as a secret": hs256({"iss": exporter.id, "sub": exporter.id}, public),
        "a key that it brings": with_header(exporter, jwk=public_jwk(other.key), key=other.key),
        "an extension that it calls critical": with_header(exporter, crit=["exp"], exp=1),
        "padding": f"{head}.{body}.{signature}=",
        "five parts": f"{head}.{body}.{signature}.a.b",
        "no JWT": "canary",
        "no JSON": f"{base64.urlsafe_b64encode(b'canary').decode().rstrip('=')}.{body}.{signature}",
        "half a character": signed(exporter, {"alg": "ES256"}, b'{"jti": "\\ud800"}'),
        "a header too deep": f"{deep()}.{body}.{signature}",
        "claims too deep": f"{head}.{deep()}.{signature}",
    }
    refused = {what: await show(exporter, each) for what, each in shown.items()}
    assert {what: each[:2] for what, each in refused.items()} == dict.fromkeys(shown, (401, "invalid_client"))
    assert "canary" not in str(refused)
    assert not await rows("SELECT 1 FROM client_assertions")


async def test_a_key_that_the_header_points_at_is_not_looked_for(exporter):
    assertion = with_header(exporter, jku="http://127.0.0.1:9/keys", kid="another name", x5u="http://127.0.0.1:9/x")
    assert (await show(exporter, assertion))[0] == 200


async def test_an_unknown_client_costs_as_many_queries_and_signatures_as_a_known_one(exporter, queries, monkeypatch):
    checked = []
    original = assertions.Assertion.is_signed_by

    def counted(self, key):
        checked.append(key is not None)
        return original(self, key)

    monkeypatch.setattr(assertions.Assertion, "is_signed_by", counted)
    with queries() as for_known:
        await show(exporter, exporter.assertion(key=generate_key()))
    with queries() as for_unknown:
        await show(exporter, exporter.assertion(iss=NOBODY, sub=NOBODY))
    assert for_unknown == for_known
    assert checked == [True, False]


async def test_half_a_proof_and_one_of_another_kind_are_refused(client, exporter):
    assertion = exporter.assertion()
    for half in ({"client_assertion": assertion}, {"client_assertion_type": assertions.ASSERTION_TYPE}):
        response = await client.post(TOKEN, data=GRANT | half)
        assert (response.status_code, response.json()["error"]) == (400, "invalid_request")
    data = GRANT | {"client_assertion": assertion, "client_assertion_type": "urn:example:saml2-bearer"}
    response = await client.post(TOKEN, data=data)
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")


async def test_an_assertion_beside_a_secret_is_one_proof_too_many(exporter, machine):
    other = await machine("users:read")
    data = GRANT | exporter.proof()["data"]
    response = await exporter.client.post(TOKEN, data=data, auth=(other.id, other.secret))
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


async def test_assertions_are_forgotten_when_they_have_expired_and_not_before(resources, exporter, rows):
    await exporter.ask()
    [kept] = await rows("SELECT expires_at FROM client_assertions")
    # Beyond its exp by as much as clocks may differ: until then it would be taken.
    assert kept["expires_at"] > datetime.now(UTC) + timedelta(seconds=60)
    await rows(
        "INSERT INTO client_assertions SELECT client_id, 'expired', now() - interval '1 second' FROM client_assertions"
    )
    await forget_client_assertions(resources)
    assert await rows("SELECT expires_at FROM client_assertions") == [kept]


def encoded(part):
    text = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def signed(machine, header, claims, key=None):
    """A JWS of anything at all, with a good signature."""
    body = f"{encoded(header)}.{encoded(claims)}"
    signature = jwt.get_algorithm_by_name("ES256").sign(body.encode(), key or machine.key)
    return f"{body}.{encoded(signature)}"


def with_header(machine, *, key=None, **header):
    claims = json.loads(base64.urlsafe_b64decode(machine.assertion().split(".")[1] + "=="))
    return signed(machine, {"alg": "ES256", **header}, claims, key)


def hs256(claims, secret):
    body = f"{encoded({'alg': 'HS256'})}.{encoded(claims)}"
    return f"{body}.{encoded(jwt.get_algorithm_by_name('HS256').sign(body.encode(), secret))}"


def deep():
    """Brackets within brackets, as many as a request can hold."""
    return encoded(b'{"a":' + b"[" * 5_000 + b"]" * 5_000 + b"}")
