"""Every query on signing keys and one-time tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from users.tokens.models import OneTimeToken, Purpose, SigningKey


@dataclass(frozen=True, slots=True)
class SigningKeyRepository:
    """The keys of this service."""

    session: AsyncSession

    async def all(self) -> Sequence[SigningKey]:
        """Every key, the oldest first."""
        return (await self.session.scalars(select(SigningKey).order_by(SigningKey.created_at))).all()

    async def add_active(self, *, kid: str, public_jwk: dict[str, Any], sealed_private: str, at: datetime) -> None:
        """Adds the key that signs; one that another replica has added meanwhile stays, and this one is dropped."""
        await self.session.execute(
            insert(SigningKey)
            .values(kid=kid, state="active", public_jwk=public_jwk, sealed_private=sealed_private, created_at=at)
            .on_conflict_do_nothing(index_elements=[SigningKey.state], index_where=text("state = 'active'"))
        )


@dataclass(frozen=True, slots=True)
class OneTimeTokenRepository:
    """The one-time tokens that could still be used."""

    session: AsyncSession

    async def replace(
        self, *, token_id: UUID, user_id: UUID, purpose: Purpose, digest: bytes, now: datetime, expires_at: datetime
    ) -> None:
        """Stores a token in place of the user's older one for the same purpose."""
        content = {"id": token_id, "digest": digest, "created_at": now, "expires_at": expires_at}
        await self.session.execute(
            insert(OneTimeToken)
            .values(user_id=user_id, purpose=purpose, **content)
            .on_conflict_do_update(index_elements=[OneTimeToken.user_id, OneTimeToken.purpose], set_=content)
        )

    async def discard(self, token_id: UUID) -> None:
        """Deletes one token, if it is there."""
        await self.session.execute(delete(OneTimeToken).where(OneTimeToken.id == token_id))

    async def user_of(self, digest: bytes, *, purpose: Purpose, now: datetime) -> UUID | None:
        """The user of a token that could be used now."""
        usable = OneTimeToken.digest == digest, OneTimeToken.purpose == purpose, OneTimeToken.expires_at > now
        return await self.session.scalar(select(OneTimeToken.user_id).where(*usable))

    async def take(self, digest: bytes) -> bool:
        """Deletes the token; false if it was used or replaced meanwhile."""
        statement = delete(OneTimeToken).where(OneTimeToken.digest == digest).returning(OneTimeToken.id)
        return await self.session.scalar(statement) is not None

    async def holder(self, token_id: UUID) -> UUID | None:
        """Whose token this is; None if it was used or replaced."""
        return await self.session.scalar(select(OneTimeToken.user_id).where(OneTimeToken.id == token_id))
