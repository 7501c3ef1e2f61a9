"""Every query on credentials that needs no account."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from users.passwords.models import Credential


@dataclass(frozen=True, slots=True)
class CredentialRepository:
    """Writes in the transaction of `session`."""

    session: AsyncSession

    async def put(self, user_id: UUID, password_hash: str, *, at: datetime) -> None:
        """Sets the password of a user."""
        content = {"password_hash": password_hash, "changed_at": at}
        await self.session.execute(
            insert(Credential)
            .values(user_id=user_id, **content)
            .on_conflict_do_update(index_elements=[Credential.user_id], set_=content)
        )

    async def renew(self, user_id: UUID, password_hash: str) -> None:
        """Stores another hash of the same password."""
        await self.session.execute(
            update(Credential).where(Credential.user_id == user_id).values(password_hash=password_hash)
        )
