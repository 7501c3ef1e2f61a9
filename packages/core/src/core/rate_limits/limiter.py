"""Counts how often a key did something, and says how it stands."""

import hmac
from collections.abc import Callable
from time import monotonic
from typing import Protocol

import structlog
from limits import RateLimitItem
from limits.errors import StorageError

from core.rate_limits.standing import Standing, Window
from core.settings.rates import rate

log = structlog.get_logger("core.rate_limits")

# How long a storage that failed is not asked: an outage must not make every request wait for it.
PAUSE_S = 1.0
WARNING_INTERVAL_S = 60.0
_NEVER = float("-inf")
# 128 bits: no two keys meet by chance, and nobody looks for two that do without the secret.
_DIGEST_BYTES = 16


class Storage(Protocol):
    """What is used of a storage of `limits`."""

    async def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int) -> bool:
        """Counts a hit unless the limit is reached; whether it was counted."""
        ...

    async def get_sliding_window(self, key: str, expiry: int) -> Window:
        """The counts as they are."""
        ...


class RateLimits:
    """The rate limits of one service."""

    def __init__(self, storage: Storage, *, key: bytes, uncounted: Callable[[], None]) -> None:
        """`key` hides what is counted: addresses and subjects are no business of a storage that others can read."""
        self._storage = storage
        self._key = key
        self._uncounted = uncounted
        self._paused_until = self._silent_until = _NEVER

    async def hit(self, name: str, key: str, limit: str | None) -> None:
        """Counts that `key` does what `name` says, unless `limit` is None; keys of two names are counted apart.

        Raises:
            RateLimited: it has done so as often as `limit` allows; its `retry_after_s` is when it may again.
            ValueError: `limit` is no rate.
        """
        standing = None if limit is None else await self.count(name, key, rate(limit))
        if standing is not None:
            standing.enforce()

    async def count(self, name: str, key: str, rate: RateLimitItem) -> Standing | None:
        """Counts a hit and says how the key stands; None where the storage is away, and everything may pass."""
        if monotonic() < self._paused_until:
            self._uncounted()
            return None
        if self._paused_until > _NEVER:
            # One request looks whether the storage is back; those that come meanwhile do not wait for it.
            self._paused_until = monotonic() + PAUSE_S
        place = rate.key_for(hmac.digest(self._key, f"{name}\0{key}".encode(), "sha256")[:_DIGEST_BYTES].hex())
        try:
            allowed = await self._storage.acquire_sliding_window_entry(place, rate.amount, rate.get_expiry())
            window = await self._storage.get_sliding_window(place, rate.get_expiry())
        except StorageError as failure:
            self._fail(failure.storage_error)
            return None
        self._paused_until = _NEVER
        return Standing.of(window, name=name, rate=rate, allowed=allowed)

    def _fail(self, failure: Exception) -> None:
        self._uncounted()
        now = monotonic()
        self._paused_until = now + PAUSE_S
        if now >= self._silent_until:
            self._silent_until = now + WARNING_INTERVAL_S
            log.warning("rate limits are not counted", reason=f"{type(failure).__name__}: {failure}")
