"""Who may correct invoices, and how credit notes are built: in a transaction, around the provider, or to be read."""

from typing import Annotated

from fastapi import Depends, Query, Request

from billing.collection.dependencies import Followers
from billing.credit_notes.repository import CreditNoteQueries, CreditNoteRepository
from billing.credit_notes.schemas import CreditNoteFilter
from billing.credit_notes.service import Crediting, CreditNotes, CreditNoteViews
from billing.customers import dependencies as customers
from billing.invoices import dependencies as invoices
from billing.ledger import dependencies as ledger
from billing.payments import dependencies as payments
from billing.refunds import dependencies as refunds
from billing.settings import Settings
from billing.transactions import own_transactions
from core.dependencies import ReadSession, ResourcesDep, Session, page, requires
from core.resources import Resources
from core.web.pages import Page


def build(session: Session, resources: Resources) -> CreditNotes:
    """Credit notes in the transaction of `session`."""
    return CreditNotes(
        repository=CreditNoteRepository(session),
        customers=customers.build(session, resources),
        invoices=invoices.build(session, resources),
        payments=payments.build(session, resources),
        refunds=refunds.build(session, resources),
        ledger=ledger.build(session, resources),
        follower=resources[Followers].build(session, resources),
        events=resources.events(session),
        clock=resources.clock,
        series=resources.settings_as(Settings).credit_note_series,
    )


async def _crediting(session: Session, resources: ResourcesDep) -> Crediting:
    begin = own_transactions(build, resources)
    return Crediting(begin, refunds.build_refunding(session, resources), build(session, resources))


async def _views(reads: ReadSession) -> CreditNoteViews:
    return CreditNoteViews(CreditNoteQueries(reads))


CreditNoteFilterDep = Annotated[CreditNoteFilter, Query()]


async def _page(request: Request, resources: ResourcesDep, query: CreditNoteFilterDep) -> Page:
    return page(request, resources, query)


may_write = Depends(requires("billing:write"))
CreditingDep = Annotated[Crediting, Depends(_crediting)]
CreditNoteViewsDep = Annotated[CreditNoteViews, Depends(_views)]
CreditNotePageDep = Annotated[Page, Depends(_page)]
