"""`users rotate-keys`: what an operator does about signing keys, while replicas run."""

import asyncio
import os
import subprocess
import sys
from datetime import timedelta

import jwt
import pytest
import typer
from pydantic import SecretStr

from core.lifespan import StartupError
from core.testing import running
from users.app import create_app
from users.signing.commands import rotate_keys

OTHER_SECRET = "4f9c1e7ad0b35826f1c07e94ab6d2358"
KEYS = "SELECT kid, state FROM signing_keys ORDER BY created_at, kid"
AUDIT = "SELECT action, actor, details FROM audit_events WHERE action LIKE 'key.%' ORDER BY id"


@pytest.fixture
def environment(settings):
    return {
        "USERS_ENVIRONMENT": "local",
        "USERS_DATABASE__URL": settings.database.url.get_secret_value(),
        "USERS_DATA_DIR": str(settings.data_dir),
        "USERS_PUBLIC_URL": settings.public_url,
    }


@pytest.fixture
def command(environment, monkeypatch, capsys):
    """`await command(compromised=True)`: the exit code of the command, and the lines on its two streams."""

    async def run(*, secret: str | None = None, **flags: bool) -> tuple[int, list[str], list[str]]:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        if secret is not None:
            monkeypatch.setenv("USERS_SECRET_KEY", secret)
        capsys.readouterr()
        code = 0
        try:
            await asyncio.to_thread(rotate_keys, **flags)
        except typer.Exit as ended:
            code = ended.exit_code
        told = capsys.readouterr()
        return code, told.out.splitlines(), told.err.splitlines()

    return run


async def states(rows):
    return [row["state"] for row in await rows(KEYS)]


async def test_the_next_key_is_published_once_and_it_is_told_when_it_signs(client, command, rows):
    code, told, _ = await command()
    assert (code, await states(rows)) == (0, ["active", "next"])
    next_kid = (await rows(KEYS))[1]["kid"]
    [published] = await rows("SELECT created_at FROM signing_keys WHERE state = 'next'")
    signs_at = published["created_at"] + timedelta(minutes=10)
    assert told == [
        f"The next key is published: {next_kid}",
        f"It signs from {signs_at:%Y-%m-%d %H:%M:%S} UTC on, a minute later at most: by then every verifier has it.",
        "The key that signs until then stays published for 390 s more, so no token is refused.",
        "Next: nothing; it happens by itself. To watch it: http://service.test/.well-known/jwks.json",
    ]
    assert (await rows(AUDIT))[-1] == {"action": "key.published", "actor": "operator", "details": {}}

    code, again, _ = await command()
    assert (code, await states(rows)) == (0, ["active", "next"])
    assert again == [f"The next key was published before, and waits: {next_kid}", *told[1:]]


async def test_compromised_keys_are_gone_at_once_and_it_is_told_what_that_costs(client, command, rows):
    await command()
    before = [row["kid"] for row in await rows(KEYS)]
    code, told, _ = await command(compromised=True)
    [new] = await rows(KEYS)
    assert (code, new["state"]) == (0, "active")
    assert told[:3] == [f"Removed: {before[0]}", f"Removed: {before[1]}", f"Signs now: {new['kid']}"]
    assert "within 10 s" in told[3]
    assert "refuse every access token" in told[3]
    assert "for up to 300 s" in told[5]
    assert told[-2].startswith("Next: restart the other services")
    reason = {"reason": "compromised"}
    assert (await rows(AUDIT))[-4:] == [
        {"action": "key.removed", "actor": "operator", "details": reason},
        {"action": "key.removed", "actor": "operator", "details": reason},
        {"action": "key.published", "actor": "operator", "details": {}},
        {"action": "key.activated", "actor": "operator", "details": {}},
    ]


@pytest.mark.parametrize("flags", [{}, {"compromised": True}])
async def test_with_another_secret_nothing_is_changed(client, command, rows, flags):
    before = await rows("SELECT * FROM signing_keys")
    code, told, refused = await command(secret=OTHER_SECRET, **flags)
    assert (code, told) == (1, [])
    [line] = refused
    assert line.startswith("Nothing was changed: the signing keys were sealed with another secret key")
    assert "`users rotate-keys --new-secret`" in line
    assert await rows("SELECT * FROM signing_keys") == before


async def test_when_the_secret_is_replaced_keys_are_replaced_once_and_users_starts(
    client, command, settings, ports, rows
):
    other = settings.model_copy(update={"secret_key": SecretStr(OTHER_SECRET)})
    with pytest.raises(StartupError, match="rotate-keys --new-secret"):
        async with running(await asyncio.to_thread(create_app, other, ports)):
            pass
    code, told, _ = await command(secret=OTHER_SECRET, new_secret=True)
    assert (code, await states(rows)) == (0, ["active"])
    assert told[-1].startswith("Next: start every replica of users with this USERS_SECRET_KEY")
    replaced = await rows(KEYS)
    async with running(await asyncio.to_thread(create_app, other, ports)) as restarted:
        [jwk] = (await restarted.get("/.well-known/jwks.json")).json()["keys"]
        assert jwk["kid"] == replaced[0]["kid"]
    # So that a deployment may run it at every start.
    code, told, _ = await command(secret=OTHER_SECRET, new_secret=True)
    assert (code, told) == (
        0,
        ["USERS_SECRET_KEY opens the signing keys: nothing was changed, and nothing is left to do."],
    )
    assert await rows(KEYS) == replaced


async def test_one_of_two_reasons_has_to_be_named(command):
    with pytest.raises(typer.BadParameter, match="say which has happened"):
        await command(compromised=True, new_secret=True)


async def test_from_outside_while_a_replica_serves(build, ada, person, environment, becomes):
    """The command as an operator runs it, and the replica that hears of it."""
    async with running(await build(signing={"reload_interval_s": 0.05})) as replica:

        async def kids() -> list[str]:
            return [jwk["kid"] for jwk in (await replica.get("/.well-known/jwks.json")).json()["keys"]]

        async def users(*arguments: str) -> str:
            machine = {name: value for name, value in os.environ.items() if not name.startswith("USERS_")}
            process = [sys.executable, "-m", "users", *arguments]
            done = await asyncio.to_thread(
                subprocess.run, process, env=machine | environment, capture_output=True, text=True, check=True
            )
            return done.stdout

        somebody = person(ada.email)
        somebody.client = replica
        await somebody.sign_in()
        [first] = await kids()

        told = await users("rotate-keys")
        [_, following] = await becomes(lambda: _two(kids))
        assert f"The next key is published: {following}" in told
        # Whoever has a token goes on with it.
        assert (await replica.get("/v1/users/me", headers=somebody.headers)).status_code == 200

        await users("rotate-keys", "--compromised")

        async def replaced() -> bool:
            return first not in await kids()

        await becomes(replaced)
        assert (await replica.get("/v1/users/me", headers=somebody.headers)).status_code == 401
        # The session goes on, with tokens of the new key.
        await somebody.refresh()
        assert (await replica.get("/v1/users/me", headers=somebody.headers)).status_code == 200
        assert [jwt.get_unverified_header(somebody.tokens["access_token"])["kid"]] == await kids()


async def _two(kids):
    found = await kids()
    return found if len(found) == 2 else None
