"""Every query on signing keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from users.signing.models import SigningKey


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
            .values(
                kid=kid,
                state="active",
                public_jwk=public_jwk,
                sealed_private=sealed_private,
                created_at=at,
                activated_at=at,
            )
            .on_conflict_do_nothing(index_elements=[SigningKey.state], index_where=text("state = 'active'"))
        )
