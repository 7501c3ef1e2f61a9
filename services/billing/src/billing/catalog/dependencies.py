"""Who may call the catalog, and how it is built."""

from typing import Annotated

from fastapi import Depends

from billing.catalog.repository import CatalogQueries, CatalogRepository
from billing.catalog.service import Catalog, CatalogViews
from core.dependencies import Caller, ReadSession, ResourcesDep, Session, requires
from core.resources import Resources


def build(session: Session, resources: Resources) -> Catalog:
    """The catalog in the transaction of `session`."""
    return Catalog(CatalogRepository(session), resources.clock)


async def _catalog(session: Session, resources: ResourcesDep) -> Catalog:
    return build(session, resources)


async def _views(reads: ReadSession, _: Caller) -> CatalogViews:
    return CatalogViews(CatalogQueries(reads))


may_write = Depends(requires("catalog:write"))
CatalogDep = Annotated[Catalog, Depends(_catalog)]
CatalogViewsDep = Annotated[CatalogViews, Depends(_views)]
