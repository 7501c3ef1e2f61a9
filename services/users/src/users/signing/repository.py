"""Every query on signing keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from core.database import Query, ReadSession
from users.signing.models import SigningKey

# Of PostgreSQL's advisory locks, the one that is held by whoever changes keys: "sign_key" in ASCII.
_KEYS_LOCK = int.from_bytes(b"sign_key")


class SigningKeyRow(BaseModel, frozen=True):
    """A key as replicas load it."""

    kid: str
    state: str
    public_jwk: dict[str, Any]
    sealed_private: str | None


_OLDEST_FIRST = (SigningKey.created_at, SigningKey.kid)
_KEYS = Query(
    select(*(getattr(SigningKey, name) for name in SigningKeyRow.model_fields)).order_by(*_OLDEST_FIRST), SigningKeyRow
)


@dataclass(frozen=True, slots=True)
class SigningKeyRepository:
    """The keys, in the transaction of `session`."""

    session: AsyncSession

    async def locked(self) -> Sequence[SigningKey]:
        """Every key, the oldest first; until the transaction ends, nobody else gets them this way."""
        await self.session.execute(select(func.pg_advisory_xact_lock(_KEYS_LOCK)))
        return (await self.session.scalars(select(SigningKey).order_by(*_OLDEST_FIRST))).all()

    async def add(self, key: SigningKey) -> None:
        """Adds a key."""
        self.session.add(key)
        await self.session.flush()

    async def flush(self) -> None:
        """Writes what was changed: of two keys, the one that leaves a state before the one that enters it."""
        await self.session.flush()

    async def remove(self, key: SigningKey) -> None:
        """Deletes a key."""
        await self.session.delete(key)
        await self.session.flush()


@dataclass(frozen=True, slots=True)
class SigningKeyQueries:
    """The keys, as they were last committed."""

    reads: ReadSession

    async def all(self) -> list[SigningKeyRow]:
        """Every key, the oldest first."""
        return await self.reads.all(_KEYS)
