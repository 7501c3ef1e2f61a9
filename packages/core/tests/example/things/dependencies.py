"""How the services of a request are built; every version of the API has the same."""

from typing import Annotated

from fastapi import Depends, Query, Request

from core.dependencies import ReadSession, ResourcesDep, Session, page
from core.resources import Resources
from core.web.pages import Page
from example.things.repository import ThingQueries, ThingRepository
from example.things.schemas.v2 import ThingV2Query
from example.things.service import Things, ThingViews


def build(session: Session, resources: Resources) -> Things:
    """The service over a session."""
    return Things(ThingRepository(session), resources.events(session), resources.clock)


async def _things(session: Session, resources: ResourcesDep) -> Things:
    return build(session, resources)


async def _views(reads: ReadSession) -> ThingViews:
    return ThingViews(ThingQueries(reads))


ThingV2QueryDep = Annotated[ThingV2Query, Query()]


async def _page_of_v2(request: Request, resources: ResourcesDep, query: ThingV2QueryDep) -> Page:
    return page(request, resources, query)


ThingsDep = Annotated[Things, Depends(_things)]
ThingViewsDep = Annotated[ThingViews, Depends(_views)]
ThingV2PageDep = Annotated[Page, Depends(_page_of_v2)]
