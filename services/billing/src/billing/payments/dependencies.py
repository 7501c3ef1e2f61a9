"""Who may read payments, and how payments and payment methods are built: in a transaction, or to be read."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from fastapi import Depends, Query, Request

from billing.customers import dependencies as customers
from billing.payments.provider import Provider
from billing.payments.repository import PaymentQueries, PaymentRepository
from billing.payments.schemas import PaymentQuery
from billing.payments.service import (
    Detachment,
    MethodUser,
    PaymentMethods,
    PaymentMethodViews,
    Payments,
    PaymentViews,
    Removal,
)
from billing.settings import Settings
from billing.transactions import own_transactions
from core.dependencies import ReadSession, ResourcesDep, Session, page, requires
from core.resources import Resources
from core.web.pages import Page


@dataclass(frozen=True, slots=True)
class MethodUsers:
    """Who is asked whether a payment method is needed; declared as a resource, because they stand above."""

    build: Callable[[Session, Resources], MethodUser]


def build(session: Session, resources: Resources) -> Payments:
    """Payments in the transaction of `session`."""
    return Payments(PaymentRepository(session), resources.events(session), resources.clock, _settle_after(resources))


def build_methods(session: Session, resources: Resources) -> PaymentMethods:
    """Payment methods in the transaction of `session`."""
    return PaymentMethods(
        repository=PaymentRepository(session),
        customers=customers.build(session, resources),
        provider=resources[Provider],
        events=resources.events(session),
        clock=resources.clock,
    )


def build_removal(session: Session, resources: Resources) -> Removal:
    """The removal of payment methods in the transaction of `session`."""
    return Removal(
        repository=PaymentRepository(session),
        customers=customers.build(session, resources),
        user=resources[MethodUsers].build(session, resources),
        events=resources.events(session),
        clock=resources.clock,
        retry_after=_settle_after(resources),
    )


def build_detachment(resources: Resources) -> Detachment:
    """What is done about the provider, between transactions of its own."""
    return Detachment(own_transactions(build_removal, resources), resources[Provider])


def _settle_after(resources: Resources) -> timedelta:
    return timedelta(seconds=resources.settings_as(Settings).settle_after_s)


async def _methods(session: Session, resources: ResourcesDep) -> PaymentMethods:
    return build_methods(session, resources)


async def _removal(session: Session, resources: ResourcesDep) -> Removal:
    return build_removal(session, resources)


async def _method_views(reads: ReadSession) -> PaymentMethodViews:
    return PaymentMethodViews(PaymentQueries(reads))


async def _views(reads: ReadSession) -> PaymentViews:
    return PaymentViews(PaymentQueries(reads))


PaymentQueryDep = Annotated[PaymentQuery, Query()]


async def _page(request: Request, resources: ResourcesDep, query: PaymentQueryDep) -> Page:
    return page(request, resources, query)


may_read = Depends(requires("billing:read"))
PaymentMethodsDep = Annotated[PaymentMethods, Depends(_methods)]
PaymentMethodViewsDep = Annotated[PaymentMethodViews, Depends(_method_views)]
RemovalDep = Annotated[Removal, Depends(_removal)]
PaymentViewsDep = Annotated[PaymentViews, Depends(_views)]
PaymentPageDep = Annotated[Page, Depends(_page)]
