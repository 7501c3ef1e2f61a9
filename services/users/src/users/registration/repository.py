"""Every query on registrations."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from users.accounts.models import LIVE, Role, Status, User


@dataclass(frozen=True, slots=True)
class RegistrationRepository:
    """Writes in the transaction of `session`."""

    session: AsyncSession

    async def add_pending(
        self, *, user_id: UUID, address: str, at: datetime, profile: Mapping[str, Any]
    ) -> UUID | None:
        """Adds a user, or starts over one who was never verified; None if the address is somebody's."""
        changes = {**profile, "updated_at": at}
        new = {"id": user_id, "address": address, "status": Status.PENDING, "roles": [Role.USER], "version": 1}
        return await self.session.scalar(
            insert(User)
            .values(**new, **changes, created_at=at)
            .on_conflict_do_update(
                index_elements=[User.address],
                index_where=LIVE,
                set_={**changes, "version": User.version + 1},
                where=User.status == Status.PENDING,
            )
            .returning(User.id)
        )

    async def id_of(self, address: str) -> UUID | None:
        """The live user of an address."""
        return await self.session.scalar(select(User.id).where(User.address == address, User.status != Status.ERASED))

    async def pending_id_of(self, address: str) -> UUID | None:
        """The user of an address, if nobody has proven yet that it is theirs; they stay until this transaction ends."""
        pending = select(User.id).where(User.address == address, User.status == Status.PENDING)
        return await self.session.scalar(pending.with_for_update(key_share=True))

    async def activate(self, user_id: UUID, *, at: datetime) -> User | None:
        """Makes a pending user active and verified; None if they are not pending."""
        statement = (
            update(User)
            .where(User.id == user_id, User.status == Status.PENDING)
            .values(status=Status.ACTIVE, verified_at=at, updated_at=at, version=User.version + 1)
            .returning(User)
        )
        return await self.session.scalar(statement)

    async def discard_unconfirmed(self, *, before: datetime, limit: int) -> int:
        """Deletes some of those who last registered before then and have not proven their address; says how many."""
        # Made before they were last changed: an index finds them by that.
        old = User.status == Status.PENDING, User.created_at < before, User.updated_at < before
        some = select(User.id).where(*old).order_by(User.created_at).limit(limit)
        # Whoever registers or confirms at this instant goes first.
        unlocked = some.with_for_update(skip_locked=True)
        deleted = delete(User).where(User.id.in_(unlocked)).returning(User.id)
        return len((await self.session.scalars(deleted)).all())
