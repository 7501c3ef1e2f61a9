"""Every query on the test clock."""

from dataclasses import dataclass

from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from billing.tables import LOCKED
from billing.test_clock.models import TestClock
from core.database import Query, ReadSession


class _Offset(BaseModel):
    offset_s: int


_OFFSET = Query(select(TestClock.offset_s), _Offset)


@dataclass(frozen=True, slots=True)
class OffsetRepository:
    """Writes, in the transaction of a session."""

    session: AsyncSession

    async def locked(self) -> TestClock:
        """The one row, made if it is not there; nobody else moves the clock until the transaction ends."""
        await self.session.execute(insert(TestClock).values(id=1, offset_s=0).on_conflict_do_nothing())
        return await self.session.get_one(TestClock, 1, with_for_update=LOCKED)


@dataclass(frozen=True, slots=True)
class OffsetQueries:
    """Reads, each on a snapshot of its own."""

    reads: ReadSession

    async def offset_s(self) -> int:
        found = await self.reads.first(_OFFSET)
        return found.offset_s if found else 0
