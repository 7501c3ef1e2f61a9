"""Every query on people and their credentials."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import Text, any_, bindparam, exists, func, literal_column, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from core.database import Position, Query, ReadSession, UtcDateTime, page_parameters, paged
from users.accounts.models import LIVE, STAFF, Role, Status, User
from users.passwords.models import Credential

# Whom others know of; whoever comes or goes is not yet, or no longer, their concern.
_ANNOUNCED = User.status.in_((Status.ACTIVE, Status.SUSPENDED))
# Of PostgreSQL's advisory locks, the one that is held by whoever takes an admin away: "admins" in ASCII.
_LAST_ADMIN_LOCK = int.from_bytes(b"admins")


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
    changed_at: datetime


_USERS = select(*(getattr(User, name) for name in UserRow.model_fields))
_BY_ID = Query(_USERS.where(User.id == bindparam("id")), UserRow)
_CREDENTIAL = (
    select(Credential.user_id, User.address, Credential.password_hash, Credential.changed_at)
    .join(User, User.id == Credential.user_id)
    .where(User.status != Status.ERASED.value)
)
_CREDENTIAL_BY_ADDRESS = Query(_CREDENTIAL.where(User.address == bindparam("address")), CredentialRow)
_CREDENTIAL_BY_ID = Query(_CREDENTIAL.where(User.id == bindparam("id")), CredentialRow)
_FILTERS = {
    "status": (User.status == bindparam("status"),),
    "role": (bindparam("role", type_=Text) == any_(User.roles),),
    "staff": (STAFF,),
    "email": (User.address == bindparam("email"), LIVE),
    "created_at_gte": (User.created_at >= bindparam("created_at_gte", type_=UtcDateTime),),
    "created_at_lt": (User.created_at < bindparam("created_at_lt", type_=UtcDateTime),),
}


@cache
def page_of(*filters: str) -> Query[UserRow]:
    """A statement for each set of filters: an index serves each, and none serves "this filter, if it is given"."""
    conditions = (condition for name in filters for condition in _FILTERS[name])
    return Query(paged(_USERS.where(*conditions), User.created_at, User.id), UserRow)


@dataclass(frozen=True, slots=True)
class AccountRepository:
    """Writes in the transaction of `session`; reads outside any."""

    session: AsyncSession
    reads: ReadSession

    async def find(self, user_id: UUID) -> UserRow | None:
        """One user."""
        return await self.reads.first(_BY_ID, id=user_id)

    async def page(self, filters: Mapping[str, Any], *, after: Position | None, limit: int) -> list[UserRow]:
        """Users, the oldest first, and one more than `limit` if there are more."""
        # Everybody is a user; who is more than that has an index of their own.
        names = {*filters, "staff"} if filters.get("role", Role.USER) != Role.USER else filters
        return await self.reads.all(page_of(*sorted(names)), **filters, **page_parameters(after, limit))

    async def credential(self, address: str) -> CredentialRow | None:
        """What the live user of an address proves themselves with."""
        return await self.reads.first(_CREDENTIAL_BY_ADDRESS, address=address)

    async def credential_of(self, user_id: UUID) -> CredentialRow | None:
        """What a user proves themselves with."""
        return await self.reads.first(_CREDENTIAL_BY_ID, id=user_id)

    async def locked(self, user_id: UUID) -> User | None:
        """One user, kept from changing until this transaction ends."""
        return await self.session.scalar(select(User).where(User.id == user_id).with_for_update(key_share=True))

    async def locked_with(self, found: CredentialRow) -> User | None:
        """The user who has this very password and address, which stay until this transaction ends.

        The hash may be another one of that password, which a sign-in at the same time has renewed.
        """
        statement = (
            select(User)
            .join(Credential, Credential.user_id == User.id)
            .where(User.id == found.user_id, User.address == found.address, Credential.changed_at == found.changed_at)
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

    async def move(self, user: User, changes: Mapping[str, Any], *, at: datetime) -> bool:
        """Writes the next version of a user, who has another address in it; false if the address is somebody's.

        Then the transaction is at its end: who asks waits for whoever takes the address at the same time.
        """
        try:
            await self.change(user, changes, at=at)
        except IntegrityError:
            return False
        return True

    async def put_admin(
        self, *, user_id: UUID, address: str, email: str, at: datetime, takes_over: bool
    ) -> tuple[User, str | None] | None:
        """Adds an active, verified admin, or makes one of the user of the address, if they are pending or `takes_over`.

        The admin, and the status of whoever had the address before; None if the address is somebody's.
        """
        standing = {"status": Status.ACTIVE, "roles": [Role.USER, Role.ADMIN], "verified_at": at, "deleting_at": None}
        changes = {**standing, "updated_at": at}
        statement = (
            insert(User)
            .values(id=user_id, address=address, email=email, version=1, created_at=at, **changes)
            .on_conflict_do_update(
                index_elements=[User.address],
                index_where=LIVE,
                set_={**changes, "version": User.version + 1},
                where=None if takes_over else User.status == Status.PENDING,
            )
            .returning(User, literal_column("old.status", Text()))
        )
        row = (await self.session.execute(statement)).one_or_none()
        return None if row is None else (row[0], row[1])

    async def has_other_active_admin(self, user_id: UUID) -> bool:
        """Whether there is an active admin beside this one; who else asks waits until this transaction has ended."""
        # A lock of its own, not one on the rows: everybody who asks holds the row of an admin already, and two of them
        # who waited for each other's would deadlock. A statement of its own: the next one sees what others committed.
        await self.session.execute(select(func.pg_advisory_xact_lock(_LAST_ADMIN_LOCK)))
        admins = (STAFF, User.roles.contains([Role.ADMIN]), User.status == Status.ACTIVE)
        return bool(await self.session.scalar(select(exists().where(User.id != user_id, *admins))))

    async def count_announced(self) -> int:
        """How many users there are whom others know of."""
        return await self.session.scalar(select(func.count()).select_from(User).where(_ANNOUNCED)) or 0

    async def announced(self, *, after: UUID | None, limit: int) -> Sequence[User]:
        """The next of them in the order of their ids; nobody changes them until the transaction ends."""
        following = () if after is None else (User.id > after,)
        page = select(User).where(_ANNOUNCED, *following).order_by(User.id).limit(limit)
        return (await self.session.scalars(page.with_for_update(read=True))).all()
