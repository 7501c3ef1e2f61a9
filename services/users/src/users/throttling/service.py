"""Slows down whoever guesses at the password of one account, from wherever they do."""

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import timedelta
from math import ceil

from core.clock import Clock
from core.errors import RateLimited
from users.settings import ThrottlingSettings
from users.throttling.repository import ThrottleRepository
from users.throttling.rules import waits_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """The attempts at accounts, by their normalised addresses; whether anybody has the address makes no difference."""

    repository: ThrottleRepository
    key: bytes = field(repr=False)
    clock: Clock
    settings: ThrottlingSettings

    async def attempt(self, address: str) -> None:
        """Counts an attempt, and commits that before anything comes of it: many at once are no way around it.

        Raises:
            RateLimited: it comes too early after those before it, and is not counted.
        """
        now = self.clock.now()
        waits = waits_s(free=self.settings.attempts_free, longest_s=self.settings.wait_s_max)
        then_until = [now + timedelta(seconds=wait) for wait in waits]
        blocked_until = await self.repository.count(self._key_of(address), at=now, then_until=then_until)
        if blocked_until is not None:
            retry_after_s = max(1, ceil((blocked_until - now).total_seconds()))
            raise RateLimited("There were too many attempts at this address.", retry_after_s=retry_after_s)

    async def forgive(self, address: str) -> None:
        """Forgets the attempts at an account, because its owner has shown themselves."""
        await self.repository.remove(self._key_of(address))

    async def forget_old(self) -> None:
        """Forgets attempts that lead to nothing any more."""
        kept = timedelta(hours=self.settings.forgotten_after_hours)
        await self.repository.remove_old(blocked_before=self.clock.now() - kept)

    def _key_of(self, address: str) -> bytes:
        return hmac.digest(self.key, address.encode(), hashlib.sha256)
