"""Every query about things."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import bindparam, delete, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from core.database import Position, Query, ReadSession, UtcDateTime, page_parameters, paged
from example.things.models import Thing


class ThingRow(BaseModel, frozen=True):
    """A thing as a request reads it."""

    id: UUID
    name: str
    note: str | None
    version: int
    created_at: datetime


_THINGS = select(*(getattr(Thing, name) for name in ThingRow.model_fields))
THING = Query(_THINGS.where(Thing.id == bindparam("id")), ThingRow)
_SINCE, _BEFORE = (bindparam(name, type_=UtcDateTime) for name in ("since", "before"))
_PAGE = Query(
    paged(
        _THINGS.where(
            or_(_SINCE.is_(None), Thing.created_at >= _SINCE), or_(_BEFORE.is_(None), Thing.created_at < _BEFORE)
        ),
        Thing.created_at,
        Thing.id,
    ),
    ThingRow,
)


@dataclass(frozen=True, slots=True)
class ThingRepository:
    """Things, in the transaction of a session."""

    session: AsyncSession

    async def add(self, thing: Thing) -> bool:
        """Stores a thing; see `flush`."""
        self.session.add(thing)
        return await self.flush()

    async def locked(self, thing_id: UUID) -> Thing | None:
        """A thing as it is now; nobody else changes it until the transaction ends."""
        return await self.session.get(Thing, thing_id, with_for_update={"key_share": True})

    async def count(self) -> int:
        """How many there are."""
        return await self.session.scalar(select(func.count()).select_from(Thing)) or 0

    async def after(self, thing_id: UUID | None, *, limit: int) -> Sequence[Thing]:
        """The next ones in the order of their ids, as they are now; nobody changes them until the transaction ends."""
        things = select(Thing).order_by(Thing.id).limit(limit).with_for_update(read=True)
        return (await self.session.scalars(things if thing_id is None else things.where(Thing.id > thing_id))).all()

    async def flush(self) -> bool:
        """Writes what was changed; False if a name is another thing's, and then the transaction can only be undone."""
        try:
            await self.session.flush()
        except IntegrityError:
            return False
        return True

    async def forget(self, *, made_before: datetime) -> None:
        """Deletes what was made before an instant."""
        await self.session.execute(delete(Thing).where(Thing.created_at < made_before))

    async def announce(self, name: str) -> None:
        """Counts an announcement."""
        await self.session.execute(update(Thing).where(Thing.name == name).values(announced=Thing.announced + 1))


@dataclass(frozen=True, slots=True)
class ThingQueries:
    """Reads, each on a snapshot of its own."""

    reads: ReadSession

    async def one(self, thing_id: UUID) -> ThingRow | None:
        """One thing."""
        return await self.reads.first(THING, id=thing_id)

    async def page(
        self, *, after: Position | None, limit: int, since: datetime | None, before: datetime | None
    ) -> list[ThingRow]:
        """One more than `limit`, oldest first."""
        return await self.reads.all(_PAGE, since=since, before=before, **page_parameters(after, limit))
