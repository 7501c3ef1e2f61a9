"""Every query about things."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from core.database import Query
from example.things.models import Thing
from example.things.schemas import ThingRead

THING = Query(select(Thing.id, Thing.name, Thing.created_at).where(Thing.id == bindparam("id")), ThingRead)


@dataclass(frozen=True, slots=True)
class ThingRepository:
    """Things in the database."""

    session: AsyncSession

    async def add(self, thing: Thing) -> None:
        """Stores a thing."""
        self.session.add(thing)
        await self.session.flush()

    async def page(self, *, limit: int, after: tuple[datetime, UUID] | None) -> Sequence[Thing]:
        """One more than `limit`, oldest first."""
        statement = select(Thing).order_by(Thing.created_at, Thing.id).limit(limit + 1)
        if after is not None:
            statement = statement.where(tuple_(Thing.created_at, Thing.id) > after)
        return (await self.session.scalars(statement)).all()

    async def announce(self, name: str) -> None:
        """Counts an announcement."""
        await self.session.execute(update(Thing).where(Thing.name == name).values(announced=Thing.announced + 1))
