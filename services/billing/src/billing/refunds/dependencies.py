"""Who may give money back, and how refunds are built: in a transaction, around the provider, or to be read."""

from datetime import timedelta
from typing import Annotated

from fastapi import Depends

from billing.customers import dependencies as customers
from billing.ledger import dependencies as ledger
from billing.payments import dependencies as payments
from billing.payments.provider import Provider
from billing.refunds.repository import RefundQueries, RefundRepository
from billing.refunds.service import Refunding, Refunds, RefundSettlement, RefundViews
from billing.settings import Settings
from billing.transactions import own_transactions
from core.dependencies import ReadSession, ResourcesDep, Session, requires
from core.resources import Resources


def build(session: Session, resources: Resources) -> Refunds:
    """Refunds in the transaction of `session`."""
    return Refunds(
        repository=RefundRepository(session),
        customers=customers.build(session, resources),
        payments=payments.build(session, resources),
        ledger=ledger.build(session, resources),
        events=resources.events(session),
        clock=resources.clock,
        settle_after=timedelta(seconds=resources.settings_as(Settings).settle_after_s),
    )


def build_refunding(session: Session, resources: Resources) -> Refunding:
    """The three steps, the last of them in the transaction of `session`."""
    return Refunding(own_transactions(build, resources), resources[Provider], build(session, resources))


def build_settlement(resources: Resources) -> RefundSettlement:
    """What a reminder does, in transactions of its own."""
    return RefundSettlement(own_transactions(build, resources), resources[Provider])


async def _refunding(session: Session, resources: ResourcesDep) -> Refunding:
    return build_refunding(session, resources)


async def _views(reads: ReadSession) -> RefundViews:
    return RefundViews(RefundQueries(reads))


may_read, may_write = Depends(requires("billing:read")), Depends(requires("billing:write"))
RefundingDep = Annotated[Refunding, Depends(_refunding)]
RefundViewsDep = Annotated[RefundViews, Depends(_views)]
