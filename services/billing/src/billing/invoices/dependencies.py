"""Who may write invoices, and how they are built."""

from typing import Annotated

from fastapi import Depends

from billing.customers import dependencies as customers
from billing.invoices.repository import InvoiceQueries, InvoiceRepository
from billing.invoices.service import Drafts, Invoices, InvoiceViews
from billing.ledger import dependencies as ledger
from billing.settings import Settings
from core.database import ReadSession as Reads
from core.dependencies import ReadSession, ResourcesDep, Session, requires
from core.resources import Resources


def build(session: Session, resources: Resources) -> Invoices:
    """Invoices in the transaction of `session`."""
    settings = resources.settings_as(Settings)
    return Invoices(
        repository=InvoiceRepository(session),
        customers=customers.build(session, resources),
        ledger=ledger.build(session, resources),
        events=resources.events(session),
        clock=resources.clock,
        series=settings.invoice_series,
        seller=settings.seller.model_dump(),
    )


def build_views(reads: Reads) -> InvoiceViews:
    """Invoices as they are read."""
    return InvoiceViews(InvoiceQueries(reads))


async def _views(reads: ReadSession) -> InvoiceViews:
    return build_views(reads)


async def _drafts(session: Session, resources: ResourcesDep) -> Drafts:
    return Drafts(build(session, resources))


may_write = Depends(requires("billing:write"))
DraftsDep = Annotated[Drafts, Depends(_drafts)]
InvoiceViewsDep = Annotated[InvoiceViews, Depends(_views)]
