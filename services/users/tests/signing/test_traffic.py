"""Keys rotate while tokens are issued and verified: nobody is refused, however late each hears of it.

By a clock that the test moves. One replica reads its keys as late as it may, and who fetches them there is given what
it said as long ago as a cache on the way may keep that; the other one hears of everything at once.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from core.errors import InvalidToken
from core.ids import new_id
from core.testing import MovableClock, running
from core.tokens.remote import RemoteKeys
from core.tokens.verifier import Verifier
from users.signing.jobs import rotate_signing_keys
from users.signing.service import AccessTokens, SigningKeys

TICK = timedelta(seconds=10)
# At most: three times the reload interval, and the max-age of the key set.
RELOADED_AFTER, CACHED_FOR = timedelta(seconds=30), timedelta(seconds=300)
ISSUER, LEEWAY_S = "https://users.test", 60
JWKS = "/.well-known/jwks.json"


def signing_with(keys: SigningKeys, clock: MovableClock, *, lifetime_s: int = 300) -> AccessTokens:
    return AccessTokens(keys=keys, issuer=ISSUER, audience="api", lifetime=timedelta(seconds=lifetime_s), clock=clock)


def token_of(issuing: AccessTokens) -> str:
    return issuing.sign(user_id=new_id(), session_id=new_id(), roles=(), scopes=(), auth_time=issuing.clock.now())


def verifying_with(fetch: Callable[[], Awaitable[bytes]], clock: MovableClock) -> Verifier:
    return Verifier([RemoteKeys(fetch, clock=clock)], issuers=[ISSUER], audience="api", clock=clock, leeway_s=LEEWAY_S)


class Traffic:
    """Two replicas that issue tokens, and as many verifiers as have joined, each of which sees all of them."""

    def __init__(self, replicas: Any, clock: MovableClock, *, lifetime_s: int) -> None:
        self.late, self.prompt = replicas
        self.clock = clock
        self.issuers = [signing_with(each.keys, clock, lifetime_s=lifetime_s) for each in replicas]
        self.reloaded_at = clock.now()
        self.said: deque[Any] = deque()
        self.tokens: deque[Any] = deque()
        self.verifiers: list[Verifier] = []
        self.fetching: set[Any] = set()
        self.signed: dict[str, None] = {}
        self.refused: list[str] = []

    async def tick(self, *, rotates: bool) -> None:
        """Ten seconds; whatever the job changes then, the late replica has just missed."""
        self.clock.advance(TICK)
        if self.clock.now() - self.reloaded_at >= RELOADED_AFTER:
            await self._serve()
            await self._reload(self.late)
        self.said.append((self.clock.now(), (await self.late.client.get(JWKS)).content))
        if rotates:
            before = self._known()
            await rotate_signing_keys(self.prompt.resources)
            await self.prompt.keys.reload()
            if self._known() != before:
                self.reloaded_at = self.clock.now()
        await self._serve()

    def _known(self) -> Any:
        return self.prompt.keys.jwks, self.prompt.keys.signer()

    async def _reload(self, replica: Any) -> None:
        await replica.keys.reload()
        self.reloaded_at = self.clock.now()

    async def _serve(self) -> None:
        """Each replica issues a token; every verifier sees it, and the oldest that is valid."""
        now = self.clock.now()
        for issuing in self.issuers:
            self.signed[issuing.keys.signer()[0]] = None
            self.tokens.append((now + issuing.lifetime + timedelta(seconds=LEEWAY_S), token_of(issuing)))
        while self.tokens[0][0] <= now:
            self.tokens.popleft()
        seen = [self.tokens[0][1], self.tokens[-2][1], self.tokens[-1][1]]
        for verifier in self.verifiers:
            for token in seen:
                try:
                    await verifier.verify(token)
                except InvalidToken as refusal:
                    self.refused.append(f"{now}: {refusal.detail}")
        # A verifier that has its key does not wait for the set that it asks for.
        await asyncio.sleep(0)
        if self.fetching:
            await asyncio.wait(self.fetching)
        self.fetching.clear()

    async def fetch_late(self) -> bytes:
        """What the late replica said when a cache may have asked it last."""
        while len(self.said) > 1 and self.said[1][0] <= self.clock.now() - CACHED_FOR:
            self.said.popleft()
        return self.said[0][1]

    async def fetch_at_once(self) -> bytes:
        self.fetching.add(asyncio.current_task())
        return (await self.prompt.client.get(JWKS)).content

    async def rotate(self) -> None:
        """A day, and then the rotation, with verifiers who ask at every time that there is."""
        self.clock.advance(timedelta(days=1) - TICK * 40)
        for each in (self.prompt, self.late):
            await self._reload(each)
        self.tokens.clear()
        self.said.clear()
        self.verifiers.clear()
        await self.tick(rotates=False)
        for each in range(30):
            if each % 2 == 0:
                self.verifiers.append(verifying_with(self.fetch_late, self.clock))
            if each % 3 == 0:
                self.verifiers.append(verifying_with(self.fetch_at_once, self.clock))
            await self.tick(rotates=False)
        signed = len(self.signed)
        while len(self.signed) == signed or len(self.prompt.keys.jwks) > 1:
            await self.tick(rotates=True)
        for _ in range(3):
            await self.tick(rotates=True)


@pytest.fixture
def traffic(start, clock: MovableClock):
    async def run(*, published_s: int, lifetime_s: int = 300) -> Traffic:
        settings = {"published_before_use_s": published_s, "replaced_after_days": 1}
        return Traffic([await start(signing=settings) for _ in range(2)], clock, lifetime_s=lifetime_s)

    return run


async def test_no_token_is_refused_while_keys_rotate(traffic):
    # The least that a start accepts.
    running_traffic = await traffic(published_s=390)
    for _ in range(2):
        await running_traffic.rotate()
    assert running_traffic.refused == []
    assert len(running_traffic.signed) == 3


@pytest.mark.parametrize(("published_s", "lifetime_s"), [(370, 300), (390, 340)])
async def test_a_key_that_signs_sooner_or_is_removed_sooner_would_be_missed(traffic, published_s, lifetime_s):
    running_traffic = await traffic(published_s=published_s, lifetime_s=lifetime_s)
    await running_traffic.rotate()
    assert {refusal.rpartition(": ")[2] for refusal in running_traffic.refused} == {"its key."}


async def test_verifiers_go_on_while_users_is_down(start, build, clock: MovableClock):
    issuing = signing_with((await start()).keys, clock)
    async with running(await build()) as client:

        async def fetch() -> bytes:
            return (await client.get(JWKS)).content

        verifier = verifying_with(fetch, clock)
        await verifier.verify(token_of(issuing))
    for _ in range(30):
        clock.advance(timedelta(minutes=1))
        await verifier.verify(token_of(issuing))
