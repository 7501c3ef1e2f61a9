"""Who may read the books, and how they are built."""

from typing import Annotated

from fastapi import Depends, Query, Request

from billing.ledger.repository import LedgerQueries, LedgerRepository
from billing.ledger.schemas import TransactionFilter
from billing.ledger.service import Ledger, LedgerViews
from core.dependencies import ReadSession, ResourcesDep, Session, page, requires
from core.resources import Resources
from core.web.pages import Page


def build(session: Session, resources: Resources) -> Ledger:
    """The books in the transaction of `session`."""
    return Ledger(LedgerRepository(session), resources.clock)


async def _views(reads: ReadSession) -> LedgerViews:
    return LedgerViews(LedgerQueries(reads))


TransactionFilterDep = Annotated[TransactionFilter, Query()]


async def _page(request: Request, resources: ResourcesDep, query: TransactionFilterDep) -> Page:
    return page(request, resources, query)


may_read = Depends(requires("billing:read"))
LedgerViewsDep = Annotated[LedgerViews, Depends(_views)]
TransactionPageDep = Annotated[Page, Depends(_page)]
