"""The keys that sign access tokens: one for all replicas, published, and unreadable in the table."""

import asyncio

import jwt
import pytest
from pydantic import SecretStr

from core.lifespan import StartupError
from core.testing import running
from core.tokens import open_key
from users.app import create_app


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
    with pytest.raises(StartupError, match=r"SigningKeys did not open: .*sealed with another secret"):
        async with running(restarted):
            pass
