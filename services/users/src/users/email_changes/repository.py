"""Every query on changes of an address."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from users.accounts.models import LIVE, Status, User
from users.email_changes.models import FormerAddress


@dataclass(frozen=True, slots=True)
class EmailChangeRepository:
    """Writes in the transaction of `session`."""

    session: AsyncSession

    async def owner_of(self, address: str) -> UUID | None:
        """Who has proven that an address is theirs."""
        statement = select(User.id).where(User.address == address, LIVE, User.status != Status.PENDING)
        return await self.session.scalar(statement)

    async def discard_pending(self, address: str) -> UUID | None:
        """Deletes whoever registered an address and has not proven that it is theirs."""
        unproven = delete(User).where(User.address == address, User.status == Status.PENDING)
        return await self.session.scalar(unproven.returning(User.id))

    async def add_former(self, *, former_id: UUID, user_id: UUID, email: str, at: datetime) -> None:
        """Keeps an address that is about to be somebody's no longer."""
        self.session.add(FormerAddress(id=former_id, user_id=user_id, email=email, created_at=at))
        await self.session.flush()

    async def former(self, former_id: UUID) -> str | None:
        """An address that waits to be told."""
        return await self.session.scalar(select(FormerAddress.email).where(FormerAddress.id == former_id))

    async def discard_former(self, former_id: UUID) -> None:
        """Deletes it."""
        await self.session.execute(delete(FormerAddress).where(FormerAddress.id == former_id))
