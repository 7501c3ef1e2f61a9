"""How what serves a request about pages is built."""

from typing import Annotated

from fastapi import Depends, Query, Request

from core.dependencies import ReadSession, ResourcesDep, Session, page, requires
from core.resources import Resources
from core.tokens import Principal
from core.web.pages import Page
from notes.pages.repository import PageQueries, PageRepository
from notes.pages.schemas import PagesQuery
from notes.pages.service import Pages, PageViews
from notes.settings import Settings


def build(session: Session, resources: Resources) -> Pages:
    keep_days = resources.settings_as(Settings).keep_pages_days
    return Pages(PageRepository(session), resources.events(session), resources.clock, keep_days)


async def _pages(session: Session, resources: ResourcesDep) -> Pages:
    return build(session, resources)


async def _views(reads: ReadSession) -> PageViews:
    return PageViews(PageQueries(reads))


PagesQueryDep = Annotated[PagesQuery, Query()]


async def _page_of(request: Request, resources: ResourcesDep, query: PagesQueryDep) -> Page:
    return page(request, resources, query)


PagesDep = Annotated[Pages, Depends(_pages)]
PageViewsDep = Annotated[PageViews, Depends(_views)]
PageOfPagesDep = Annotated[Page, Depends(_page_of)]
Writer = Annotated[Principal, Depends(requires("notes:write"))]
