"""Every query on sessions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from core.database import Position, Query, ReadSession, UtcDateTime, page_parameters, paged
from users.sessions.models import UserSession


class SessionRow(BaseModel, frozen=True):
    """A session as a request reads it."""

    id: UUID
    created_at: datetime
    rotated_at: datetime
    idle_expires_at: datetime
    device_name: str | None
    user_agent: str | None
    ip: str | None


_NOW = bindparam("now", type_=UtcDateTime)
_LIVE = (UserSession.revoked_at.is_(None), UserSession.idle_expires_at > _NOW)
_LIVE_OF_USER = Query(
    paged(
        select(*(getattr(UserSession, name) for name in SessionRow.model_fields)).where(
            UserSession.user_id == bindparam("user_id"), *_LIVE
        ),
        UserSession.created_at,
        UserSession.id,
    ),
    SessionRow,
)


@dataclass(frozen=True, slots=True)
class SessionRepository:
    """Writes in the transaction of `session`; reads outside any."""

    session: AsyncSession
    reads: ReadSession

    async def live_of(self, user_id: UUID, *, now: datetime, after: Position | None, limit: int) -> list[SessionRow]:
        """The live sessions of a user, the oldest first, and one more than `limit` if there are more."""
        return await self.reads.all(_LIVE_OF_USER, user_id=user_id, now=now, **page_parameters(after, limit))

    async def add(self, session: UserSession) -> None:
        """Adds a session."""
        self.session.add(session)
        await self.session.flush()

    async def locked(self, session_id: UUID) -> UserSession | None:
        """A session, kept from changing until this transaction ends: two refreshes at once go one after the other."""
        return await self.session.scalar(select(UserSession).where(UserSession.id == session_id).with_for_update())

    async def rotate(self, session: UserSession, *, at: datetime, idle_expires_at: datetime) -> None:
        """Makes the next refresh token the current one."""
        session.refresh_counter += 1
        session.rotated_at = at
        session.idle_expires_at = idle_expires_at
        await self.session.flush()

    async def revoke(
        self, *, user_id: UUID, now: datetime, session_id: UUID | None = None, but: UUID | None = None
    ) -> Sequence[UserSession]:
        """Ends one live session of a user, or all of them, or all but one; gives those that it ended."""
        which = [UserSession.user_id == user_id, UserSession.revoked_at.is_(None), UserSession.idle_expires_at > now]
        if session_id is not None:
            which.append(UserSession.id == session_id)
        if but is not None:
            which.append(UserSession.id != but)
        statement = update(UserSession).where(*which).values(revoked_at=now).returning(UserSession)
        return (await self.session.scalars(statement)).all()

    async def count_ended(self, *, since: datetime) -> int:
        """How many sessions were ended since then."""
        ended = UserSession.revoked_at > since
        return await self.session.scalar(select(func.count()).select_from(UserSession).where(ended)) or 0

    async def ended(self, *, since: datetime, after: UUID | None, limit: int) -> Sequence[UserSession]:
        """The next of them in the order of their ids; nobody changes them until the transaction ends."""
        following = () if after is None else (UserSession.id > after,)
        page = select(UserSession).where(UserSession.revoked_at > since, *following).order_by(UserSession.id)
        return (await self.session.scalars(page.limit(limit).with_for_update(read=True))).all()

    async def discard_ended(self, *, before: datetime, limit: int) -> int:
        """Deletes some of those that had ended by then; says how many."""
        ended_at = func.coalesce(UserSession.revoked_at, UserSession.idle_expires_at)
        some = select(UserSession.id).where(ended_at < before).order_by(ended_at).limit(limit)
        # Whoever changes one of them, as an erasure does, goes first: waiting with others in hand could be a deadlock.
        unlocked = some.with_for_update(skip_locked=True)
        deleted = delete(UserSession).where(UserSession.id.in_(unlocked)).returning(UserSession.id)
        return len((await self.session.scalars(deleted)).all())
