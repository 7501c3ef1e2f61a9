"""Who may read the books, and how they are built."""

from typing import Annotated

from fastapi import Depends

from billing.ledger.repository import LedgerQueries, LedgerRepository
from billing.ledger.service import Ledger, LedgerViews
from core.dependencies import ReadSession, Session, requires
from core.resources import Resources


def build(session: Session, resources: Resources) -> Ledger:
    """The books in the transaction of `session`."""
    return Ledger(LedgerRepository(session), resources.clock)


async def _views(reads: ReadSession) -> LedgerViews:
    return LedgerViews(LedgerQueries(reads))


may_read = Depends(requires("billing:read"))
LedgerViewsDep = Annotated[LedgerViews, Depends(_views)]
