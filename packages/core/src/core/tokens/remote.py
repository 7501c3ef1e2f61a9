"""Keys that another service publishes (`/.well-known/jwks.json`), kept here and asked for seldom."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from core.clock import Clock
from core.errors import Unavailable
from core.tokens.keys import public_keys

# What an issuer sends as max-age.
MAX_AGE_S = 300
REFETCH_INTERVAL_S = 60
# While there is no key at all, each request is refused: ask again soon.
FIRST_RETRY_INTERVAL_S = 1
JWK_SET_BYTES_MAX = 64 * 1024

_log = logging.getLogger(__name__)


class RemoteKeys:
    """The keys behind `fetch`, which gives a JWK set as bytes or as what they parse to.

    An unknown key or an old set asks again, once for all who wait and at most once a minute; an old set is used while a
    new one is on its way, and for as long as there is none.
    """

    def __init__(self, fetch: Callable[[], Awaitable[bytes | Mapping[str, object]]], *, clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._keys: dict[str, EllipticCurvePublicKey] = {}
        self._fetched_at: datetime | None = None
        self._asked_at: datetime | None = None
        self._asking: asyncio.Task[None] | None = None

    async def find(self, kid: str) -> EllipticCurvePublicKey | None:
        """The key of that name, or None.

        Raises:
            Unavailable: there has never been a key set.
        """
        key = self._keys.get(kid)
        if key is not None and not self._is_older(self._fetched_at, MAX_AGE_S):
            return key
        asking = self._ask()
        if key is not None:
            return key
        if asking is not None:
            # One caller who leaves must not take the answer from the others.
            await asyncio.shield(asking)
        if self._fetched_at is None:
            raise Unavailable("The keys of access tokens are not known yet.")
        return self._keys.get(kid)

    async def close(self) -> None:
        """Gives up the question that is under way, if there is one."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait([self._asking])

    def _ask(self) -> asyncio.Task[None] | None:
        """The question that is under way; a new one, if it is time for one; else None."""
        if self._asking is not None and not self._asking.done():
            return self._asking
        if not self._is_older(self._asked_at, REFETCH_INTERVAL_S if self._fetched_at else FIRST_RETRY_INTERVAL_S):
            return None
        self._asked_at = self._clock.now()
        self._asking = asyncio.create_task(self._refresh())
        return self._asking

    async def _refresh(self) -> None:
        try:
            answer = await self._fetch()
            keys = _parse(answer)
        # Whatever went wrong out there, the keys at hand stay good.
        except Exception as failed:  # noqa: BLE001 - `fetch` is the host's, and may fail in any way
            _log.warning("jwks_fetch_failed", extra={"error": f"{type(failed).__name__}: {failed}"})
            return
        # The same object for the same key, so that tokens verified with it stay remembered.
        kept = {kid: key for kid, key in self._keys.items() if keys.get(kid) == key}
        self._keys = keys | kept
        self._fetched_at = self._clock.now()

    def _is_older(self, instant: datetime | None, age_s: int) -> bool:
        return instant is None or self._clock.now() - instant >= timedelta(seconds=age_s)


def _parse(answer: bytes | Mapping[str, object]) -> dict[str, EllipticCurvePublicKey]:
    if isinstance(answer, bytes):
        if len(answer) > JWK_SET_BYTES_MAX:
            raise ValueError("the JWK set is too large")
        answer = json.loads(answer)
    return public_keys(answer)
