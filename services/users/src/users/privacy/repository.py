"""Every query on all that is held of one user; a column that says something of a person has its place here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from users.accounts.models import Status, User
from users.audit.models import AuditEvent
from users.email_changes.models import FormerAddress
from users.one_time_tokens.models import OneTimeToken
from users.passwords.models import Credential
from users.sessions.models import UserSession

_DELETING = User.status == Status.DELETING


@dataclass(frozen=True, slots=True)
class PrivacyRepository:
    """Reads and writes in the transaction of `session`."""

    session: AsyncSession

    async def password_changed_at(self, user_id: UUID) -> datetime | None:
        """Since when the password of a user is what it is."""
        return await self.session.scalar(select(Credential.changed_at).where(Credential.user_id == user_id))

    async def sessions(self, user_id: UUID) -> Sequence[UserSession]:
        """Every session of a user that is kept, the oldest first."""
        statement = select(UserSession).where(UserSession.user_id == user_id)
        return (await self.session.scalars(statement.order_by(UserSession.created_at, UserSession.id))).all()

    async def one_time_tokens(self, user_id: UUID) -> Sequence[OneTimeToken]:
        """What a user was sent by mail and has not used, the oldest first."""
        statement = select(OneTimeToken).where(OneTimeToken.user_id == user_id)
        return (await self.session.scalars(statement.order_by(OneTimeToken.created_at))).all()

    async def former_addresses(self, user_id: UUID) -> Sequence[FormerAddress]:
        """Addresses that a user has left and that have not been told so yet, the oldest first."""
        statement = select(FormerAddress).where(FormerAddress.user_id == user_id)
        return (await self.session.scalars(statement.order_by(FormerAddress.created_at))).all()

    async def audit_events(self, subject: str) -> Sequence[AuditEvent]:
        """What somebody did, and what was done to them, the oldest first."""
        about = or_(AuditEvent.actor == subject, AuditEvent.subject == subject)
        statement = select(AuditEvent).where(about).order_by(AuditEvent.occurred_at, AuditEvent.id)
        return (await self.session.scalars(statement)).all()

    async def locked(self, user_id: UUID) -> User | None:
        """A user who waits for their erasure, kept from changing until this transaction ends."""
        return await self.session.scalar(select(User).where(User.id == user_id, _DELETING).with_for_update())

    async def erase(self, user_id: UUID) -> None:
        """Removes all that says something of a person but their row, which the caller changes.

        Their sessions stay without a word of theirs: who believes access tokens is still told that these have ended.
        """
        for table in (Credential, OneTimeToken, FormerAddress):
            await self.session.execute(delete(table).where(table.user_id == user_id))
        nothing: Mapping[str, Any] = {"device_name": None, "user_agent": None, "ip": None}
        await self.session.execute(update(UserSession).where(UserSession.user_id == user_id).values(nothing))

    async def overdue(self, *, before: datetime, limit: int) -> Sequence[UUID]:
        """Some of those who asked for their erasure before then, who asked first first."""
        statement = select(User.id).where(_DELETING, User.deleting_at < before)
        return (await self.session.scalars(statement.order_by(User.deleting_at).limit(limit))).all()

    async def count_leaving(self) -> int:
        """How many users wait for their erasure."""
        return await self.session.scalar(select(func.count()).select_from(User).where(_DELETING)) or 0

    async def leaving(self, *, after: UUID | None, limit: int) -> Sequence[User]:
        """The next of them in the order of their ids; nobody changes them until the transaction ends."""
        following = () if after is None else (User.id > after,)
        page = select(User).where(_DELETING, *following).order_by(User.id).limit(limit)
        return (await self.session.scalars(page.with_for_update(read=True))).all()
