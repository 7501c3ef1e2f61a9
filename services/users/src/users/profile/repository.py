"""Every query on one's own account."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import bindparam, select

from core.database import Query, ReadSession
from users.accounts.models import User


class ProfileRow(BaseModel, frozen=True):
    """An account as its owner reads it."""

    id: UUID
    email: str | None
    status: str
    roles: list[str]
    name: str | None
    locale: str | None
    metadata_: dict[str, str]
    version: int
    created_at: datetime
    verified_at: datetime | None


_BY_ID = Query(
    select(*(getattr(User, name).label(name) for name in ProfileRow.model_fields)).where(User.id == bindparam("id")),
    ProfileRow,
)


@dataclass(frozen=True, slots=True)
class ProfileRepository:
    """Reads outside any transaction."""

    reads: ReadSession

    async def find(self, user_id: UUID) -> ProfileRow | None:
        """One account."""
        return await self.reads.first(_BY_ID, id=user_id)
