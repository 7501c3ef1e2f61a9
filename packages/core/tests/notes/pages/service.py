"""What can be done with pages, and how it is refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from core.clock import Clock
from core.database import Position
from core.errors import Conflict, NotFound
from core.events import Events
from core.ids import format_id, new_id
from core.web.etags import Preconditions
from notes.pages.announcements import PageState
from notes.pages.models import Page
from notes.pages.repository import PageQueries, PageRepository, PageRow


class PageExists(Conflict):
    """There is a page with this title."""

    code = "page_exists"


@dataclass(frozen=True, slots=True)
class Pages:
    """Pages, as they are written."""

    repository: PageRepository
    events: Events
    clock: Clock
    keep_days: int

    async def make(self, *, title: str, folder: str | None) -> Page:
        now = self.clock.now()
        page = Page(id=new_id(), title=title, folder=folder, created_at=now, changed_at=now)
        if not await self.repository.add(page):
            raise PageExists
        await self._tell("page.made", page)
        return page

    async def change(self, page_id: UUID, expected: Preconditions, changes: Mapping[str, Any]) -> Page:
        page = await self._expected(page_id, expected)
        for name, value in changes.items():
            setattr(page, name, value)
        page.changed_at = self.clock.now()
        if not await self.repository.flush():
            raise PageExists
        await self._tell("page.changed", page)
        return page

    async def remove(self, page_id: UUID, expected: Preconditions) -> None:
        await self.repository.remove(await self._expected(page_id, expected))

    async def forget(self) -> None:
        """Removes what nobody has changed for longer than pages are kept."""
        await self.repository.forget(unchanged_since=self.clock.now() - timedelta(days=self.keep_days))

    async def count(self, folder: str) -> None:
        """Counts a page that a folder was given."""
        await self.repository.count(folder)

    async def count_all(self) -> int:
        """How many pages there are."""
        return await self.repository.count_all()

    async def retell(self, *, after: UUID | None, limit: int) -> Sequence[UUID]:
        """Tells the next pages again as they are; their ids, in order."""
        pages = await self.repository.after(after, limit=limit)
        for page in pages:
            await self._tell("page.changed", page)
        return [page.id for page in pages]

    async def _tell(self, type_: str, page: Page) -> None:
        state = PageState(id=format_id("pge", page.id), title=page.title, folder=page.folder)
        await self.events.emit(type_, subject=state.id, data=state, sequence=page.version)

    async def _expected(self, page_id: UUID, expected: Preconditions) -> Page:
        page = await self.repository.locked(page_id)
        if page is None:
            raise NotFound
        expected.check(page.version)
        return page


@dataclass(frozen=True, slots=True)
class PageViews:
    """Pages, as they are read."""

    queries: PageQueries

    async def one(self, page_id: UUID) -> PageRow:
        page = await self.queries.one(page_id)
        if page is None:
            raise NotFound
        return page

    async def page(self, *, folder: str | None, after: Position | None, limit: int) -> list[PageRow]:
        return await self.queries.page(folder=folder, after=after, limit=limit)
