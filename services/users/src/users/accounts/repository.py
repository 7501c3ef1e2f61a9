"""Every query on people and their credentials."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import bindparam, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from core.database import Query, ReadSession
from users.accounts.models import Credential, Role, Status, User

_LIVE = text("status <> 'erased'")
# Whom others know of; whoever comes or goes is not yet, or no longer, their concern.
_ANNOUNCED = User.status.in_((Status.ACTIVE, Status.SUSPENDED))


class UserRow(BaseModel, frozen=True):
    """A user as a request reads it."""

    id: UUID
    email: str | None
    status: str
    roles: list[str]
    name: str | None
    locale: str | None
    version: int
    created_at: datetime
    verified_at: datetime | None


class CredentialRow(BaseModel, frozen=True):
    """What a sign-in is checked against."""

    user_id: UUID
    password_hash: str


_BY_ID = Query(
    select(*(getattr(User, name) for name in UserRow.model_fields)).where(User.id == bindparam("id")), UserRow
)
_CREDENTIAL_BY_ADDRESS = Query(
    select(Credential.user_id, Credential.password_hash)
    .join(User, User.id == Credential.user_id)
    .where(User.address == bindparam("address"), User.status != Status.ERASED.value),
    CredentialRow,
)


@dataclass(frozen=True, slots=True)
class AccountRepository:
    """Writes in the transaction of `session`; reads outside any."""

    session: AsyncSession
    reads: ReadSession

    async def find(self, user_id: UUID) -> UserRow | None:
        """One user."""
        return await self.reads.first(_BY_ID, id=user_id)

    async def credential(self, address: str) -> CredentialRow | None:
        """What the live user of an address proves themselves with."""
        return await self.reads.first(_CREDENTIAL_BY_ADDRESS, address=address)

    async def locked(self, user_id: UUID, *, password_hash: str) -> User | None:
        """The user who has this very hash, with both kept from changing until this transaction ends."""
        statement = (
            select(User)
            .join(Credential, Credential.user_id == User.id)
            .where(User.id == user_id, Credential.password_hash == password_hash)
            # No key update: the foreign keys of new sessions need not wait.
            .with_for_update(key_share=True)
        )
        return await self.session.scalar(statement)

    async def id_of(self, address: str) -> UUID | None:
        """The live user of an address."""
        return await self.session.scalar(select(User.id).where(User.address == address, User.status != Status.ERASED))

    async def pending_id_of(self, address: str) -> UUID | None:
        """The user of an address, if nobody has proven yet that it is theirs."""
        return await self.session.scalar(select(User.id).where(User.address == address, User.status == Status.PENDING))

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
                index_where=_LIVE,
                set_={**changes, "version": User.version + 1},
                where=User.status == Status.PENDING,
            )
            .returning(User.id)
        )

    async def put_hash(self, user_id: UUID, password_hash: str, *, at: datetime) -> None:
        """Sets the password of a user."""
        content = {"password_hash": password_hash, "changed_at": at}
        await self.session.execute(
            insert(Credential)
            .values(user_id=user_id, **content)
            .on_conflict_do_update(index_elements=[Credential.user_id], set_=content)
        )

    async def renew_hash(self, user_id: UUID, password_hash: str) -> None:
        """Stores another hash of the same password."""
        await self.session.execute(
            update(Credential).where(Credential.user_id == user_id).values(password_hash=password_hash)
        )

    async def put_admin(self, *, user_id: UUID, address: str, email: str, at: datetime) -> User:
        """Adds an active, verified admin, or makes one of the live user of the address."""
        changes = {"status": Status.ACTIVE, "roles": [Role.USER, Role.ADMIN], "verified_at": at, "updated_at": at}
        return (
            await self.session.scalars(
                insert(User)
                .values(id=user_id, address=address, email=email, version=1, created_at=at, **changes)
                .on_conflict_do_update(
                    index_elements=[User.address],
                    index_where=_LIVE,
                    set_={**changes, "version": User.version + 1},
                )
                .returning(User)
            )
        ).one()

    async def activate(self, user_id: UUID, *, at: datetime) -> User | None:
        """Makes a pending user active and verified; None if they are not pending."""
        statement = (
            update(User)
            .where(User.id == user_id, User.status == Status.PENDING)
            .values(status=Status.ACTIVE, verified_at=at, updated_at=at, version=User.version + 1)
            .returning(User)
        )
        return await self.session.scalar(statement)

    async def count_announced(self) -> int:
        """How many users there are whom others know of."""
        return await self.session.scalar(select(func.count()).select_from(User).where(_ANNOUNCED)) or 0

    async def announced(self, *, after: UUID | None, limit: int) -> Sequence[User]:
        """The next of them in the order of their ids; nobody changes them until the transaction ends."""
        following = () if after is None else (User.id > after,)
        page = select(User).where(_ANNOUNCED, *following).order_by(User.id).limit(limit)
        return (await self.session.scalars(page.with_for_update(read=True))).all()
