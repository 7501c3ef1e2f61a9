"""The two queries that every request with an access token makes one of."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import bindparam, select

from core.database import Query, ReadSession, UtcDateTime
from users.accounts.models import Status, User
from users.clients.models import ServiceClient
from users.sessions.models import UserSession


class LiveRow(BaseModel, frozen=True):
    """That somebody is let in."""

    id: UUID


_SESSION = Query(
    select(UserSession.id)
    .join(User, User.id == UserSession.user_id)
    .where(
        UserSession.id == bindparam("id"),
        UserSession.user_id == bindparam("user_id"),
        UserSession.revoked_at.is_(None),
        UserSession.idle_expires_at > bindparam("now", type_=UtcDateTime),
        User.status == Status.ACTIVE.value,
    ),
    LiveRow,
)
_CLIENT = Query(
    select(ServiceClient.id).where(ServiceClient.id == bindparam("id"), ServiceClient.revoked_at.is_(None)), LiveRow
)


@dataclass(frozen=True, slots=True)
class LockoutRepository:
    """Where callers stand, read outside any transaction."""

    reads: ReadSession

    async def is_live_session(self, session_id: UUID, *, user_id: UUID, now: datetime) -> bool:
        """Whether this session of this user, who must be active, has neither ended nor been ended."""
        return await self.reads.first(_SESSION, id=session_id, user_id=user_id, now=now) is not None

    async def is_live_client(self, client_id: UUID) -> bool:
        """Whether this machine client exists and was not revoked."""
        return await self.reads.first(_CLIENT, id=client_id) is not None
