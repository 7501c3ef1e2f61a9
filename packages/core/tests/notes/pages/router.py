"""The URLs of pages."""

from datetime import date
from operator import attrgetter

from fastapi import Depends

from core.dependencies import Caller, Conditional, Created, ETag, IfMatch, idempotent, limited
from core.routing import Router, deprecated
from core.web.pages import PageOf
from core.web.patches import Merged
from notes.pages.dependencies import PageOfPagesDep, PagesDep, PagesQueryDep, PageViewsDep, Writer
from notes.pages.schemas import PageCreate, PageId, PagePatch, PageRead, TitleRead

router = Router(prefix="/v1/pages", tags=["pages"])


@router.post("", status_code=201, dependencies=[Depends(limited("60/minute", by="caller"))])
@idempotent
async def make_page(body: PageCreate, pages: PagesDep, _writer: Writer, created: Created, etag: ETag) -> PageRead:
    """Makes a page."""
    page = await pages.make(title=body.title, folder=body.folder)
    etag.set(page.version)
    return created(PageRead.of(page))


@router.get("")
async def list_pages(
    _caller: Caller, views: PageViewsDep, query: PagesQueryDep, page: PageOfPagesDep
) -> PageOf[PageRead]:
    """Lists pages, the oldest first."""
    rows = await views.page(folder=query.folder, after=page.after, limit=page.limit)
    return page.of(rows, item=PageRead.of, position=attrgetter("created_at", "id"))


@router.get("/{page_id}")
async def read_page(page_id: PageId, _caller: Caller, views: PageViewsDep, conditional: Conditional) -> PageRead:
    """Shows a page."""
    page = await views.one(page_id)
    conditional.check(page.version)
    return PageRead.of(page)


@router.get("/{page_id}/title")
@deprecated(since=date(2026, 11, 1), sunset=date(2027, 11, 1), successor="/v1/pages/{page_id}")
async def read_title(page_id: PageId, _caller: Caller, views: PageViewsDep) -> TitleRead:
    """Shows the title of a page alone."""
    return TitleRead(title=(await views.one(page_id)).title)


@router.patch("/{page_id}")
async def change_page(
    page_id: PageId, patch: Merged[PagePatch], pages: PagesDep, _writer: Writer, if_match: IfMatch, etag: ETag
) -> PageRead:
    """Changes a page."""
    page = await pages.change(page_id, if_match, patch.changes())
    etag.set(page.version)
    return PageRead.of(page)


@router.delete("/{page_id}", status_code=204)
async def remove_page(page_id: PageId, pages: PagesDep, _writer: Writer, if_match: IfMatch) -> None:
    """Removes a page."""
    await pages.remove(page_id, if_match)
