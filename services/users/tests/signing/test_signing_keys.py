"""The keys that sign access tokens: the same for all replicas, published, known to each, unreadable in the table."""

import asyncio
import json
from base64 import urlsafe_b64encode
from datetime import timedelta

import jwt
import pytest
from pydantic import SecretStr

from core.errors import Unavailable
from core.lifespan import StartupError
from core.testing import MovableClock, running
from core.tokens.sealing import open_key
from users.app import create_app
from users.signing.jobs import rotate_signing_keys
from users.signing.repository import SigningKeyQueries
from users.signing.service import KeysUnusable, SigningKeys


async def keys_of(app):
    async with running(app) as client:
        return (await client.get("/.well-known/jwks.json")).json()["keys"]


async def test_the_published_key_verifies_tokens_and_may_be_kept_for_five_minutes(client, ada):
    await ada.sign_in()
    response = await client.get("/.well-known/jwks.json")
    assert response.headers["cache-control"] == "public, max-age=300"
    [jwk] = response.json()["keys"]
    assert set(jwk) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    key = jwt.PyJWK(jwk).key
    assert jwt.decode(ada.tokens["access_token"], key, algorithms=["ES256"], audience="api")["sub"] == ada.id


async def test_replicas_that_start_at_once_and_later_starts_share_one_key(build, rows):
    at_once = await asyncio.gather(*[keys_of(await build()) for _ in range(4)])
    later = await keys_of(await build())
    assert [each == later for each in at_once] == [True] * 4
    assert [row["state"] for row in await rows("SELECT state FROM signing_keys")] == ["active"]


async def test_the_private_key_rests_sealed(client, settings, rows):
    [row] = await rows("SELECT kid, sealed_private FROM signing_keys")
    with pytest.raises(ValueError, match="another secret"):
        open_key(row["sealed_private"], kid=row["kid"], secret="another secret")
    assert open_key(row["sealed_private"], kid=row["kid"], secret=settings.secret_key.get_secret_value())


async def test_a_start_with_another_secret_says_what_is_wrong(client, settings, ports):
    other = settings.model_copy(update={"secret_key": SecretStr("4f9c1e7ad0b35826f1c07e94ab6d2358")})
    restarted = await asyncio.to_thread(create_app, other, ports)
    with pytest.raises(StartupError, match=r"SigningKeys did not open: .*another secret key.*rotate-keys --new-secret"):
        async with running(restarted):
            pass


@pytest.fixture
async def quick(build):
    """A running application that reads its keys again all the time."""
    async with running(await build(signing={"reload_interval_s": 0.01})) as client:
        yield client


async def test_a_running_replica_finds_what_others_publish(quick, replicas, clock: MovableClock, becomes):
    clock.advance(timedelta(days=90))
    await rotate_signing_keys(replicas[0].resources)

    async def both_are_published():
        return len((await quick.get("/.well-known/jwks.json")).json()["keys"]) == 2

    await becomes(both_are_published)


async def test_a_replica_that_finds_no_key_to_sign_with_keeps_what_it_knows_and_says_so_once(
    quick, rows, becomes, logs
):
    before = (await quick.get("/.well-known/jwks.json")).json()
    await rows("UPDATE signing_keys SET state = 'next'")

    def said(event):
        return [line for line in logs if line["event"] == event]

    async def waits():
        return said("signing keys wait")

    async def goes_on():
        return said("signing keys go on")

    [line] = await becomes(waits)
    assert line["cause"].startswith("there is no active signing key")
    assert (await quick.get("/.well-known/jwks.json")).json() == before
    await rows("UPDATE signing_keys SET state = 'active'")
    await becomes(goes_on)
    assert len(said("signing keys wait")) == 1


@pytest.fixture
def stale_after_a_minute(database, settings):
    clock = MovableClock()
    secret = settings.secret_key.get_secret_value()
    queries = SigningKeyQueries(database.reads)
    return SigningKeys(queries, secret=secret, stale_after=timedelta(minutes=1), clock=clock), clock


async def test_a_replica_that_cannot_read_its_keys_signs_for_a_while_and_verifies_for_good(
    stale_after_a_minute, replicas
):
    keys, clock = stale_after_a_minute
    await keys.reload()
    kid, _ = keys.signer()
    clock.advance(timedelta(minutes=1))
    assert keys.signer()[0] == kid
    clock.advance(timedelta(seconds=1))
    with pytest.raises(Unavailable):
        keys.signer()
    assert await keys.find(kid) is not None
    await keys.reload()
    assert keys.signer()[0] == kid


async def test_keys_that_were_never_read_sign_and_verify_nothing(stale_after_a_minute):
    keys, _ = stale_after_a_minute
    with pytest.raises(KeysUnusable):
        await keys.reload()
    with pytest.raises(Unavailable):
        keys.signer()
    assert await keys.find("any") is None
    assert keys.jwks == ()


async def test_a_key_that_stays_is_the_same_object(replicas, clock: MovableClock):
    replica, _ = replicas
    kid, private = replica.keys.signer()
    before = await replica.keys.find(kid)
    clock.advance(timedelta(days=90))
    await rotate_signing_keys(replica.resources)
    await replica.keys.reload()
    assert replica.keys.signer() == (kid, private)
    assert await replica.keys.find(kid) is before


async def test_a_name_that_nobody_knows_costs_no_query(client, ada, queries):
    await ada.sign_in()
    _, claims, signature = ada.tokens["access_token"].split(".")
    with queries() as sent:
        for number in range(20):
            header = json.dumps({"alg": "ES256", "typ": "at+jwt", "kid": f"made up {number}"}).encode()
            forged = f"{urlsafe_b64encode(header).decode().rstrip('=')}.{claims}.{signature}"
            answer = await client.get("/v1/users/me", headers={"Authorization": f"Bearer {forged}"})
            assert answer.status_code == 401
    assert sent == []
