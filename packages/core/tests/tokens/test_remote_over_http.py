"""An issuer over HTTP that is down, slow to attackers' questions, or answers with what is no key set."""

import asyncio
import json
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from core.client import open_clients
from core.errors import InvalidToken
from core.ids import format_id, new_id
from core.opening.access_tokens import open_published_keys
from core.settings import ClientSettings
from core.testing import MovableClock
from core.tokens.keys import generate_key, key_id, public_jwk
from core.tokens.remote import JWK_SET_BYTES_MAX
from core.tokens.signing import sign_access_token
from core.tokens.verifier import Verifier

KEY, STRANGER = generate_key(), generate_key()
ISSUER = "https://users.example"
MINUTE = timedelta(minutes=1)
FOREVER = timedelta(days=365)


def jwk_set(*keys: object) -> bytes:
    return json.dumps({"keys": keys}).encode()


class Issuer:
    """Publishes a key set at a port of this machine, counts who asks for it, and can go away."""

    def __init__(self) -> None:
        self.body, self.asked, self.port = jwk_set(public_jwk(KEY)), 0, 0
        self.is_endless = False

    @asynccontextmanager
    async def serving(self):
        listening = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = listening.sockets[0].getsockname()[1]
        async with listening:
            yield

    async def _serve(self, reader, writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        head = b"HTTP/1.1 200 OK\r\nconnection: close\r\n"
        try:
            if self.is_endless:
                writer.write(head + b"\r\n")
                while True:
                    writer.write(b" " * 65_536)
                    await writer.drain()
            writer.write(head + b"content-length: %d\r\n\r\n" % len(self.body) + self.body)
            await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(datetime(2026, 5, 17, 9, 30, tzinfo=UTC))


@pytest.fixture
def verifying(settings, issuer, clock):
    """`async with verifying() as verifier`: one that asks the issuer as a service does."""

    @asynccontextmanager
    async def run():
        upstream = ClientSettings(url=f"http://127.0.0.1:{issuer.port}", retries_max=0)
        async with (
            open_clients({"users": upstream}, request_id=lambda: None) as clients,
            open_published_keys(settings, clients, "users", clock=clock) as keys,
        ):
            yield Verifier([keys], issuers=[ISSUER], audience="api", clock=clock, leeway_s=10)

    return run


@pytest.fixture
def token(clock):
    """`token()`: one that the issuer has signed just now; `token(kid="…")` names another key."""

    def sign(*, key=KEY, kid: str | None = None) -> str:
        return sign_access_token(
            key=key,
            kid=kid or key_id(key),
            issuer=ISSUER,
            audience=["api"],
            subject=format_id("svc", new_id()),
            client_id="tests",
            session_id=None,
            scopes=(),
            roles=(),
            auth_time=None,
            now=clock.now(),
            lifetime=timedelta(minutes=5),
        )

    return sign


async def test_known_keys_outlive_their_issuer(issuer, verifying, token, clock, logs):
    async with AsyncExitStack() as stack:
        async with issuer.serving():
            verifier = await stack.enter_async_context(verifying())
            await verifier.verify(token())
        for _ in range(3):
            clock.advance(FOREVER)
            await verifier.verify(token())
            await asyncio.wait([verifier._keys[0]._asking])
    assert issuer.asked == 1
    assert [line["event"] for line in logs].count("jwks_fetch_failed") == 3


async def test_tokens_of_unknown_keys_ask_the_issuer_at_most_once_a_minute(issuer, verifying, token, clock):
    async def attack(verifier: Verifier, number: int) -> None:
        with pytest.raises(InvalidToken):
            await verifier.verify(token(key=STRANGER, kid=f"unknown-{number}"))

    async with issuer.serving(), verifying() as verifier:
        await verifier.verify(token())
        for minute in range(1, 4):
            clock.advance(MINUTE)
            await asyncio.gather(*(attack(verifier, number) for number in range(200)))
            for number in range(200):
                await attack(verifier, number)
            assert issuer.asked == 1 + minute
            await verifier.verify(token())


async def test_a_key_that_is_new_is_found_while_others_attack(issuer, verifying, token, clock):
    async with issuer.serving(), verifying() as verifier:
        await verifier.verify(token())
        issuer.body = jwk_set(public_jwk(KEY), public_jwk(STRANGER))
        clock.advance(MINUTE)
        await verifier.verify(token(key=STRANGER))


POISONED = {
    "an empty set": jwk_set(),
    "no JSON": b"<html>",
    "too large": jwk_set(public_jwk(STRANGER), "x" * JWK_SET_BYTES_MAX),
    "entries that are none": jwk_set(None, 7, "key", [], {}, {"kid": 7}, {"kid": "a", "kty": "oct", "k": "AA"}),
    "a point off the curve": jwk_set({**public_jwk(STRANGER), "x": public_jwk(KEY)["x"]}),
    "a key to encrypt with": jwk_set({**public_jwk(STRANGER), "use": "enc"}),
    "deeply nested": b"[" * 50_000,
}


@pytest.mark.parametrize("body", POISONED.values(), ids=POISONED)
async def test_a_key_set_that_is_poisoned_changes_nothing(issuer, verifying, token, clock, body):
    async with issuer.serving(), verifying() as verifier:
        await verifier.verify(token())
        issuer.body = body
        clock.advance(MINUTE)
        with pytest.raises(InvalidToken):
            await verifier.verify(token(key=STRANGER))
        await verifier.verify(token())
        assert issuer.asked == 2


async def test_of_an_answer_without_end_no_more_is_read_than_a_key_set_may_have(issuer, verifying, token, clock, logs):
    async with issuer.serving(), verifying() as verifier:
        await verifier.verify(token())
        issuer.is_endless = True
        clock.advance(MINUTE)
        with pytest.raises(InvalidToken):
            await verifier.verify(token(key=STRANGER))
    [failed] = [line for line in logs if line["event"] == "jwks_fetch_failed"]
    assert failed["error"] == "ValueError: the JWK set is too large"
