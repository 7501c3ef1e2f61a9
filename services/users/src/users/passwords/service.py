"""Passwords: which are accepted, how they are checked, and where their hashes are put."""

from collections.abc import Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass
from uuid import UUID

from core.clock import Clock
from core.errors import FieldError, Invalid
from users.passwords import rules
from users.passwords.provider import Breaches, Check, Hashing
from users.passwords.repository import CredentialRepository
from users.settings import PasswordSettings


class WeakPassword(Invalid):
    """The password is too easy to guess."""

    code = "weak_password"


class PasswordBreached(Invalid):
    """The password is known from a data breach, and is tried by whoever has that list."""

    code = "password_breached"


@dataclass(frozen=True, slots=True, kw_only=True)
class Passwords:
    """The passwords of accounts; writes in one transaction, and hashes outside any."""

    repository: CredentialRepository
    hashing: Hashing
    breaches: Breaches
    clock: Clock
    policy: PasswordSettings

    async def refuse_weak(self, password: str, *, context: Collection[str], field: str = "password") -> None:
        """Lets a password pass that is not easy to guess; `field` is the member of the request that has it.

        Raises:
            WeakPassword: it is; the text says why.
            PasswordBreached: it has leaked from somewhere.
            Overloaded: try again later.
        """
        reason = rules.weakness(
            password,
            length_min=self.policy.length_min,
            length_max=self.policy.length_max,
            context=context,
            common=self.hashing.common,
        )
        if reason is None and await self.hashing.is_listed(password):
            reason = rules.LISTED
        if reason:
            raise WeakPassword(reason, (FieldError(f"#/{field}", WeakPassword.code, reason),))
        if await self.breaches.include(password):
            leaked = PasswordBreached.title()
            raise PasswordBreached(leaked, (FieldError(f"#/{field}", PasswordBreached.code, leaked),))

    async def hash(self, password: str) -> str:
        """The hash to `put`; computed before a transaction begins.

        Raises:
            Overloaded: try again later.
        """
        return await self.hashing.hash(password)

    def queued(self) -> AbstractContextManager[Check]:
        """A place in the queue, to check one password in; the same work where there is no hash, and the answer is no.

        Raises:
            Overloaded: try again later; checking in a place that one has never raises it.
        """
        return self.hashing.queued()

    async def put(self, user_id: UUID, password_hash: str) -> None:
        """Sets the password of a user."""
        await self.repository.put(user_id, password_hash, at=self.clock.now())

    async def renew(self, user_id: UUID, password_hash: str) -> None:
        """Stores another hash of the same password."""
        await self.repository.renew(user_id, password_hash)
