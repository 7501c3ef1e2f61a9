"""Passwords: which are accepted, how they are checked, and where their hashes are put."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from core.clock import Clock
from core.errors import FieldError, Invalid
from users.passwords import rules
from users.passwords.provider import Hashing
from users.passwords.repository import CredentialRepository
from users.settings import PasswordSettings


class WeakPassword(Invalid):
    """The password is too easy to guess."""

    code = "weak_password"


@dataclass(frozen=True, slots=True, kw_only=True)
class Passwords:
    """The passwords of accounts; writes in one transaction, and hashes outside any."""

    repository: CredentialRepository
    hashing: Hashing
    clock: Clock
    policy: PasswordSettings

    async def refuse_weak(self, password: str, *, context: Collection[str], field: str = "password") -> None:
        """Lets a password pass that is not easy to guess; `field` is the member of the request that has it.

        Raises:
            WeakPassword: it is; the text says why.
        """
        reason = rules.weakness(
            password,
            length_min=self.policy.length_min,
            length_max=self.policy.length_max,
            context=context,
            common=self.hashing.common,
        )
        if reason:
            raise WeakPassword(reason, (FieldError(f"#/{field}", WeakPassword.code, reason),))

    async def hash(self, password: str) -> str:
        """The hash to `put`; computed before a transaction begins.

        Raises:
            Overloaded: try again later.
        """
        return await self.hashing.hash(password)

    async def matches(self, password: str, password_hash: str | None) -> bool:
        """Whether this is the password; the same work where there is no hash, and the answer is no.

        Raises:
            Overloaded: try again later.
        """
        return await self.hashing.matches(password, password_hash)

    async def renewed(self, password: str, password_hash: str) -> str | None:
        """Another hash of the same password, if this one was made with other parameters than today's.

        Raises:
            Overloaded: try again later.
        """
        return await self.hashing.hash(password) if self.hashing.is_outdated(password_hash) else None

    async def put(self, user_id: UUID, password_hash: str) -> None:
        """Sets the password of a user."""
        await self.repository.put(user_id, password_hash, at=self.clock.now())

    async def renew(self, user_id: UUID, password_hash: str) -> None:
        """Stores another hash of the same password."""
        await self.repository.renew(user_id, password_hash)
