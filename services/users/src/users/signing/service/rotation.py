"""Replaces signing keys: in time, when an operator asks for it, or at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from core.clock import Clock
from core.tokens.keys import generate_key, key_id, public_jwk
from core.tokens.sealing import seal_key
from users.audit.models import Action
from users.audit.service import OPERATOR, SYSTEM, Audit
from users.signing.models import SigningKey, State
from users.signing.repository import SigningKeyRepository
from users.signing.rules import Timing, due, in_state, signs_at
from users.signing.service.keys import KeysUnusable, opened


@dataclass(frozen=True, slots=True, kw_only=True)
class Upcoming:
    """The key that signs next; `was_waiting`: it had been published before."""

    kid: str
    signs_at: datetime
    was_waiting: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced:
    """The keys that are gone, and the one that signs now."""

    removed: tuple[str, ...]
    kid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """Changes keys in one transaction, one replica or operator at a time."""

    repository: SigningKeyRepository
    audit: Audit
    secret: str = field(repr=False)
    timing: Timing
    clock: Clock

    async def begin(self) -> None:
        """Makes the key that signs, at the very first start."""
        await self._keys()

    async def advance(self) -> None:
        """Does what is due.

        Raises:
            KeysUnusable: this process cannot open the key that would be next, or make one that the others can open.
        """
        keys = await self._keys()
        now_due = due(keys, now=self.clock.now(), timing=self.timing)
        for key in now_due.remove:
            await self._remove(key, SYSTEM)
        if now_due.publish:
            self._check_secret(keys)
            await self._publish(SYSTEM)
        if now_due.activate is not None:
            opened(now_due.activate.sealed_private, kid=now_due.activate.kid, secret=self.secret)
            for active in in_state(State.ACTIVE, keys):
                await self._retire(active)
            await self._activate(now_due.activate, SYSTEM)

    async def publish_next(self) -> Upcoming:
        """Begins a rotation, unless one is under way.

        Raises:
            KeysUnusable: the key would be sealed with another secret than the one that replicas have.
        """
        keys = await self._keys()
        self._check_secret(keys)
        waiting = in_state(State.NEXT, keys)
        upcoming = waiting[0] if waiting else await self._publish(OPERATOR)
        return Upcoming(kid=upcoming.kid, signs_at=signs_at(upcoming, self.timing), was_waiting=bool(waiting))

    async def replace_compromised(self) -> Replaced:
        """Removes every key, because whoever has one may have them all, and signs with a new one at once.

        Raises:
            KeysUnusable: the new key would be sealed with another secret than the one that replicas have.
        """
        keys = await self.repository.locked()
        self._check_secret(keys)
        return await self._replace(keys, reason="compromised")

    async def replace_unreadable(self) -> Replaced | None:
        """Removes every key if they were sealed with another secret, and signs with a new one; else does nothing."""
        keys = await self.repository.locked()
        try:
            self._check_secret(keys)
        except KeysUnusable:
            return await self._replace(keys, reason="new_secret")
        return None

    async def _keys(self) -> Sequence[SigningKey]:
        """Every key, of which one signs."""
        keys = await self.repository.locked()
        if in_state(State.ACTIVE, keys):
            return keys
        waiting = in_state(State.NEXT, keys)
        await self._activate(waiting[0] if waiting else await self._publish(SYSTEM), SYSTEM)
        return await self.repository.locked()

    async def _replace(self, keys: Sequence[SigningKey], *, reason: str) -> Replaced:
        for key in keys:
            await self._remove(key, OPERATOR, reason=reason)
        new = await self._publish(OPERATOR)
        await self._activate(new, OPERATOR)
        return Replaced(removed=tuple(key.kid for key in keys), kid=new.kid)

    def _check_secret(self, keys: Sequence[SigningKey]) -> None:
        for active in in_state(State.ACTIVE, keys):
            opened(active.sealed_private, kid=active.kid, secret=self.secret)

    async def _publish(self, actor: str) -> SigningKey:
        private = generate_key()
        kid = key_id(private)
        key = SigningKey(
            kid=kid,
            state=State.NEXT,
            public_jwk=public_jwk(private),
            sealed_private=seal_key(private, kid=kid, secret=self.secret),
            created_at=self.clock.now(),
        )
        await self.repository.add(key)
        await self.audit.record(Action.KEY_PUBLISHED, subject=kid, actor=actor)
        return key

    async def _activate(self, key: SigningKey, actor: str) -> None:
        key.state, key.activated_at = State.ACTIVE, self.clock.now()
        await self.repository.flush()
        await self.audit.record(Action.KEY_ACTIVATED, subject=key.kid, actor=actor)

    async def _retire(self, key: SigningKey) -> None:
        key.state, key.retired_at, key.sealed_private = State.RETIRED, self.clock.now(), None
        await self.repository.flush()
        await self.audit.record(Action.KEY_RETIRED, subject=key.kid, actor=SYSTEM)

    async def _remove(self, key: SigningKey, actor: str, **details: str) -> None:
        await self.repository.remove(key)
        await self.audit.record(Action.KEY_REMOVED, subject=key.kid, actor=actor, **details)
