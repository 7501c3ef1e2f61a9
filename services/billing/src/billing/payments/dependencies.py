"""How payments are built."""

from datetime import timedelta
from typing import Annotated

from fastapi import Depends

from billing.customers import dependencies as customers
from billing.payments.provider import Provider
from billing.payments.repository import PaymentQueries, PaymentRepository
from billing.payments.service import PaymentMethods, PaymentMethodViews, Payments
from billing.settings import Settings
from core.dependencies import ReadSession, ResourcesDep, Session
from core.resources import Resources


def build(session: Session, resources: Resources) -> Payments:
    """Payments in the transaction of `session`."""
    settle_after = timedelta(seconds=resources.settings_as(Settings).settle_after_s)
    return Payments(PaymentRepository(session), resources.events(session), resources.clock, settle_after)


def build_methods(session: Session, resources: Resources) -> PaymentMethods:
    """Payment methods in the transaction of `session`."""
    repository = PaymentRepository(session)
    return PaymentMethods(repository, customers.build(session, resources), resources[Provider], resources.clock)


async def _methods(session: Session, resources: ResourcesDep) -> PaymentMethods:
    return build_methods(session, resources)


async def _views(reads: ReadSession) -> PaymentMethodViews:
    return PaymentMethodViews(PaymentQueries(reads))


PaymentMethodsDep = Annotated[PaymentMethods, Depends(_methods)]
PaymentMethodViewsDep = Annotated[PaymentMethodViews, Depends(_views)]
