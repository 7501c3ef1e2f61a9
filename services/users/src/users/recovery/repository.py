"""Every query on who may be sent a new password."""

from dataclasses import dataclass
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import bindparam, select

from core.database import Query, ReadSession
from users.accounts.models import Status, User


class ActiveRow(BaseModel, frozen=True):
    """That somebody is active."""

    id: UUID


_ACTIVE_BY_ADDRESS = Query(
    select(User.id).where(User.address == bindparam("address"), User.status == Status.ACTIVE.value), ActiveRow
)


@dataclass(frozen=True, slots=True)
class RecoveryRepository:
    """Reads outside any transaction."""

    reads: ReadSession

    async def active_id_of(self, address: str) -> UUID | None:
        """The user of an address, if they could sign in."""
        user = await self.reads.first(_ACTIVE_BY_ADDRESS, address=address)
        return None if user is None else user.id
