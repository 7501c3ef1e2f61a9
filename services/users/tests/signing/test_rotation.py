"""Signing keys are replaced in time: published, put to use, retired and removed, by one replica at a time."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from unittest.mock import ANY

import pytest
from pydantic import SecretStr

from core.testing import MovableClock
from core.tokens.sealing import open_key
from users.signing.jobs import rotate_signing_keys
from users.signing.service import KeysUnusable, SigningKeys

PUBLISHED_AFTER = timedelta(days=90) - timedelta(minutes=10)
STATES = "SELECT kid, state FROM signing_keys ORDER BY created_at, kid"
AUDIT = "SELECT action, subject, actor, details FROM audit_events WHERE action LIKE 'key.%' ORDER BY id"


async def states(rows):
    return [row["state"] for row in await rows(STATES)]


async def told(rows):
    return [(row["action"], row["subject"], row["actor"]) for row in await rows(AUDIT)]


async def test_the_first_start_makes_the_key_that_signs(replicas, rows):
    [key] = await rows(STATES)
    assert key == {"kid": ANY, "state": "active"}
    assert await told(rows) == [("key.published", key["kid"], "system"), ("key.activated", key["kid"], "system")]


async def test_a_key_is_published_signs_is_retired_and_removed(replicas, rows, clock: MovableClock):
    replica, _ = replicas
    [first] = [row["kid"] for row in await rows(STATES)]
    begun = len(await told(rows))

    async def after(time):
        clock.advance(time)
        await rotate_signing_keys(replica.resources)
        await replica.keys.reload()
        return await states(rows), len((await replica.client.get("/.well-known/jwks.json")).json()["keys"])

    second = timedelta(seconds=1)
    assert await after(PUBLISHED_AFTER - second) == (["active"], 1)
    assert await after(second) == (["active", "next"], 2)
    assert replica.keys.signer()[0] == first
    assert await after(timedelta(minutes=10) - second) == (["active", "next"], 2)
    assert await after(second) == (["retired", "active"], 2)
    new = replica.keys.signer()[0]
    assert new != first
    assert await replica.keys.find(first) is not None
    # 300 s that a token lives, 60 s that clocks may differ, 30 s that a replica may not have heard.
    assert await after(timedelta(seconds=390) - second) == (["retired", "active"], 2)
    assert await after(second) == (["active"], 1)
    assert await replica.keys.find(first) is None
    assert (await told(rows))[begun:] == [
        ("key.published", new, "system"),
        ("key.retired", first, "system"),
        ("key.activated", new, "system"),
        ("key.removed", first, "system"),
    ]


async def test_a_key_that_signs_no_more_is_destroyed_while_it_still_verifies(replicas, rows, clock: MovableClock):
    replica, _ = replicas
    for time in (PUBLISHED_AFTER, timedelta(minutes=10)):
        clock.advance(time)
        await rotate_signing_keys(replica.resources)
    [retired] = await rows("SELECT sealed_private, public_jwk FROM signing_keys WHERE state = 'retired'")
    assert retired == {"sealed_private": None, "public_jwk": ANY}
    assert "d" not in retired["public_jwk"]


async def test_replicas_that_run_the_job_at_once_do_each_thing_once(replicas, rows, clock: MovableClock):
    begun = len(await told(rows))
    for time in (PUBLISHED_AFTER, timedelta(minutes=10), timedelta(minutes=7)):
        clock.advance(time)
        await asyncio.gather(*[rotate_signing_keys(each.resources) for each in replicas for _ in range(4)])
    actions = [action for action, *_ in (await told(rows))[begun:]]
    assert actions == ["key.published", "key.retired", "key.activated", "key.removed"]


async def test_replicas_see_what_another_has_done(replicas, clock: MovableClock):
    one, other = replicas
    for time in (PUBLISHED_AFTER, timedelta(minutes=10)):
        clock.advance(time)
        await rotate_signing_keys(one.resources)
    for each in replicas:
        await each.keys.reload()
    assert one.keys.signer()[0] == other.keys.signer()[0]
    assert one.keys.jwks == other.keys.jwks


@pytest.mark.parametrize("gone", ["DELETE FROM signing_keys", "UPDATE signing_keys SET state = 'next'"])
async def test_if_no_key_signs_the_job_sees_to_it(replicas, rows, gone):
    await rows(gone)
    await rotate_signing_keys(replicas[0].resources)
    assert await states(rows) == ["active"]


async def test_a_process_with_another_secret_rotates_nothing(replicas, settings, rows, clock: MovableClock):
    replica, _ = replicas
    other = settings.model_copy(update={"secret_key": SecretStr("4f9c1e7ad0b35826f1c07e94ab6d2358")})
    stranger = replace(replica.resources, settings=other)
    clock.advance(PUBLISHED_AFTER)
    # What it would publish, nobody else could sign with.
    with pytest.raises(KeysUnusable, match="sealed with another secret"):
        await rotate_signing_keys(stranger)
    assert await states(rows) == ["active"]
    await rotate_signing_keys(replica.resources)
    clock.advance(timedelta(minutes=10))
    # What it would have sign, it cannot open.
    with pytest.raises(KeysUnusable, match="sealed with another secret"):
        await rotate_signing_keys(stranger)
    assert await states(rows) == ["active", "next"]


async def test_nothing_private_is_shown(replicas, settings, rows, clock: MovableClock, logs):
    replica, _ = replicas
    clock.advance(PUBLISHED_AFTER)
    await rotate_signing_keys(replica.resources)
    await replica.keys.reload()
    jwks = (await replica.client.get("/.well-known/jwks.json")).json()
    assert all(set(jwk) == {"kty", "crv", "x", "y", "kid", "use", "alg"} for jwk in jwks["keys"])
    shown = repr((vars(replica.keys), jwks, logs, await rows(AUDIT), await rows("SELECT * FROM outbox")))
    for row in await rows("SELECT kid, sealed_private FROM signing_keys"):
        private = open_key(row["sealed_private"], kid=row["kid"], secret=settings.secret_key.get_secret_value())
        number = private.private_numbers().private_value
        assert str(number) not in shown
        assert f"{number:x}" not in shown
        assert row["sealed_private"] not in shown


async def test_replicas_share_no_object(replicas):
    one, other = replicas
    assert one.resources[SigningKeys] is not other.resources[SigningKeys]
