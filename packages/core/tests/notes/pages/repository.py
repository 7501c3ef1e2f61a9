"""Every query of pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from core.database import Position, Query, ReadSession, page_parameters, paged
from notes.pages.models import Folder, Page


class PageRow(BaseModel, frozen=True):
    """A page as it is read."""

    id: UUID
    title: str
    folder: str | None
    version: int
    created_at: datetime
    changed_at: datetime


_PAGES = select(*(getattr(Page, name) for name in PageRow.model_fields))
_ONE = Query(_PAGES.where(Page.id == bindparam("id")), PageRow)
_ALL = Query(paged(_PAGES, Page.created_at, Page.id), PageRow)
_OF_FOLDER = Query(paged(_PAGES.where(Page.folder == bindparam("folder")), Page.created_at, Page.id), PageRow)


@dataclass(frozen=True, slots=True)
class PageRepository:
    """Pages, in the transaction of a session."""

    session: AsyncSession

    async def add(self, page: Page) -> bool:
        """Stores a page; see `flush`."""
        self.session.add(page)
        return await self.flush()

    async def flush(self) -> bool:
        """Writes; False if the title is another page's, and then the transaction can only be undone."""
        try:
            await self.session.flush()
        except IntegrityError:
            return False
        return True

    async def locked(self, page_id: UUID) -> Page | None:
        """The page as it is now; nobody else changes it until the transaction ends."""
        return await self.session.get(Page, page_id, with_for_update=True)

    async def count_all(self) -> int:
        return await self.session.scalar(select(func.count()).select_from(Page)) or 0

    async def after(self, page_id: UUID | None, *, limit: int) -> Sequence[Page]:
        """The next ones in the order of their ids, as they are now; nobody changes them until the transaction ends."""
        pages = select(Page).order_by(Page.id).limit(limit).with_for_update(read=True)
        return (await self.session.scalars(pages if page_id is None else pages.where(Page.id > page_id))).all()

    async def remove(self, page: Page) -> None:
        await self.session.delete(page)
        await self.session.flush()

    async def forget(self, *, unchanged_since: datetime) -> None:
        await self.session.execute(delete(Page).where(Page.changed_at < unchanged_since))

    async def count(self, folder: str) -> None:
        first = insert(Folder).values(name=folder, pages_made=1)
        more = first.on_conflict_do_update(index_elements=[Folder.name], set_={"pages_made": Folder.pages_made + 1})
        await self.session.execute(more)


@dataclass(frozen=True, slots=True)
class PageQueries:
    """Reads, each on a snapshot of its own."""

    reads: ReadSession

    async def one(self, page_id: UUID) -> PageRow | None:
        return await self.reads.first(_ONE, id=page_id)

    async def page(self, *, folder: str | None, after: Position | None, limit: int) -> list[PageRow]:
        """One more than `limit`, the oldest first."""
        if folder is None:
            return await self.reads.all(_ALL, **page_parameters(after, limit))
        return await self.reads.all(_OF_FOLDER, folder=folder, **page_parameters(after, limit))
