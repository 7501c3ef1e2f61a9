"""A list is read page by page, in the order of its making or the newest first."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from core.database import Query, UtcDateTime, page_parameters, paged

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


class Base(DeclarativeBase):
    pass


class Entry(Base):
    __tablename__ = "entries"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    made_at: Mapped[datetime] = mapped_column(UtcDateTime)


class EntryRow(BaseModel):
    id: UUID
    made_at: datetime


@pytest.mark.parametrize("newest_first", [False, True])
async def test_every_row_is_on_one_page_and_in_its_place(database, admin, newest_first):
    query = Query(paged(select(Entry.id, Entry.made_at), Entry.made_at, Entry.id, newest_first=newest_first), EntryRow)
    await admin.execute("CREATE TABLE entries (id uuid, made_at timestamptz)")
    # The second and the third were made at one instant.
    entries = [
        (UUID(int=4), NOON),
        *((UUID(int=n), NOON + timedelta(seconds=1)) for n in (1, 3)),
        (UUID(int=2), NOON + timedelta(days=1)),
    ]
    await admin.executemany("INSERT INTO entries VALUES ($1, $2)", entries[::-1])
    seen, after = [], None
    while rows := await database.reads.all(query, **page_parameters(after, 1, newest_first=newest_first)):
        # One more than the limit says that there is another page.
        assert len(rows) == min(2, len(entries) - len(seen))
        after = (rows[0].made_at, rows[0].id)
        seen.append(rows[0].id.int)
    assert seen == ([2, 3, 1, 4] if newest_first else [4, 1, 3, 2])
