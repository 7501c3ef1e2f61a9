"""Every query on people and their credentials."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import bindparam, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from core.database import Query, ReadSession
from users.accounts.models import LIVE, Role, Status, User
from users.passwords.models import Credential

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
    """What a proof of identity is checked against."""

    user_id: UUID
    address: str
    password_hash: str


_BY_ID = Query(
    select(*(getattr(User, name) for name in UserRow.model_fields)).where(User.id == bindparam("id")), UserRow
)
_CREDENTIAL = (
    select(Credential.user_id, User.address, Credential.password_hash)
    .join(User, User.id == Credential.user_id)
    .where(User.status != Status.ERASED.value)
)
_CREDENTIAL_BY_ADDRESS = Query(_CREDENTIAL.where(User.address == bindparam("address")), CredentialRow)
_CREDENTIAL_BY_ID = Query(_CREDENTIAL.where(User.id == bindparam("id")), CredentialRow)


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

    async def credential_of(self, user_id: UUID) -> CredentialRow | None:
        """What a user proves themselves with."""
        return await self.reads.first(_CREDENTIAL_BY_ID, id=user_id)

    async def locked(self, user_id: UUID) -> User | None:
        """One user, kept from changing until this transaction ends."""
        return await self.session.scalar(select(User).where(User.id == user_id).with_for_update(key_share=True))

    async def locked_with(self, user_id: UUID, *, password_hash: str) -> User | None:
        """The user who has this very hash, with both kept from changing until this transaction ends."""
        statement = (
            select(User)
            .join(Credential, Credential.user_id == User.id)
            .where(User.id == user_id, Credential.password_hash == password_hash)
            # No key update: the foreign keys of new sessions need not wait.
            .with_for_update(key_share=True)
        )
        return await self.session.scalar(statement)

    async def change(self, user: User, changes: Mapping[str, Any], *, at: datetime) -> User:
        """Writes the next version of a user."""
        for name, value in changes.items():
            setattr(user, name, value)
        user.version += 1
        user.updated_at = at
        await self.session.flush()
        return user

    async def put_admin(
        self, *, user_id: UUID, address: str, email: str, at: datetime, takes_over: bool
    ) -> User | None:
        """Adds an active, verified admin, or makes one of the user of the address, if they are pending or `takes_over`.

        None if the address is somebody's.
        """
        changes = {"status": Status.ACTIVE, "roles": [Role.USER, Role.ADMIN], "verified_at": at, "updated_at": at}
        statement = (
            insert(User)
            .values(id=user_id, address=address, email=email, version=1, created_at=at, **changes)
            .on_conflict_do_update(
                index_elements=[User.address],
                index_where=LIVE,
                set_={**changes, "version": User.version + 1},
                where=None if takes_over else User.status == Status.PENDING,
            )
            .returning(User)
        )
        return (await self.session.scalars(statement)).one_or_none()

    async def count_announced(self) -> int:
        """How many users there are whom others know of."""
        return await self.session.scalar(select(func.count()).select_from(User).where(_ANNOUNCED)) or 0

    async def announced(self, *, after: UUID | None, limit: int) -> Sequence[User]:
        """The next of them in the order of their ids; nobody changes them until the transaction ends."""
        following = () if after is None else (User.id > after,)
        page = select(User).where(_ANNOUNCED, *following).order_by(User.id).limit(limit)
        return (await self.session.scalars(page.with_for_update(read=True))).all()
