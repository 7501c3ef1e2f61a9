"""How subscriptions are built: in a transaction, around the provider, or to be read."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Annotated

from fastapi import Depends

from billing.catalog import dependencies as catalog
from billing.collection import dependencies as collection
from billing.collection.dependencies import Followers
from billing.collection.service import Follower
from billing.customers import dependencies as customers
from billing.entitlements import dependencies as entitlements
from billing.invoices import dependencies as invoices
from billing.payments.dependencies import MethodUsers
from billing.payments.service import MethodUser
from billing.settings import Settings
from billing.subscriptions.repository import SubscriptionQueries, SubscriptionRepository
from billing.subscriptions.service import (
    Changes,
    Changing,
    Ending,
    Endings,
    Invoicing,
    Previews,
    Quoting,
    Renewing,
    Requests,
    Standing,
    Subscribing,
    Subscriptions,
    SubscriptionViews,
)
from billing.transactions import own_transactions
from core.dependencies import ReadSession, ResourcesDep, Session
from core.resources import Resources


def build(session: Session, resources: Resources) -> Subscriptions:
    """Subscriptions in the transaction of `session`."""
    repository = SubscriptionRepository(session)
    return Subscriptions(
        repository=repository,
        requests=Requests(repository, resources.clock),
        invoicing=build_invoicing(session, resources),
        standing=build_standing(session, resources),
        catalog=catalog.build(session, resources),
        collection=collection.build(session, resources),
        clock=resources.clock,
        trial_days_max=resources.settings_as(Settings).trial_days_max,
    )


def build_renewing(session: Session, resources: Resources) -> Renewing:
    """What the biller does with subscriptions, in the transaction of `session`."""
    repository = SubscriptionRepository(session)
    return Renewing(
        repository=repository,
        standing=build_standing(session, resources),
        invoicing=build_invoicing(session, resources),
        collection=collection.build(session, resources),
        endings=build_endings(session, resources),
        clock=resources.clock,
    )


def build_changes(session: Session, resources: Resources) -> Changes:
    """Changes of subscriptions in the transaction of `session`."""
    return Changes(
        requests=Requests(SubscriptionRepository(session), resources.clock),
        quoting=_build_quoting(session, resources),
        invoicing=build_invoicing(session, resources),
        standing=build_standing(session, resources),
        collection=collection.build(session, resources),
    )


def build_endings(session: Session, resources: Resources) -> Endings:
    """Cancellations in the transaction of `session`."""
    return Endings(
        invoicing=build_invoicing(session, resources),
        standing=build_standing(session, resources),
        collection=collection.build(session, resources),
        clock=resources.clock,
    )


@asynccontextmanager
async def open_followers(_: Resources) -> AsyncGenerator[Followers]:
    """Subscriptions follow what becomes of their invoices."""

    def follower(session: Session, resources: Resources) -> Follower:
        return build_standing(session, resources)

    yield Followers(follower)


@asynccontextmanager
async def open_method_users(_: Resources) -> AsyncGenerator[MethodUsers]:
    """Subscriptions are what payment methods are needed for."""

    def user(session: Session, resources: Resources) -> MethodUser:
        return build_standing(session, resources)

    yield MethodUsers(user)


def build_standing(session: Session, resources: Resources) -> Standing:
    """The states of subscriptions in the transaction of `session`."""
    return Standing(
        repository=SubscriptionRepository(session),
        entitlements=entitlements.build(session, resources),
        events=resources.events(session),
        clock=resources.clock,
    )


def build_invoicing(session: Session, resources: Resources) -> Invoicing:
    """How subscriptions are billed, in the transaction of `session`."""
    repository = SubscriptionRepository(session)
    return Invoicing(repository, catalog.build(session, resources), invoices.build(session, resources))


def _build_quoting(session: Session, resources: Resources) -> Quoting:
    invoicing, buyers = build_invoicing(session, resources), customers.build(session, resources)
    back = timedelta(seconds=resources.settings_as(Settings).proration_back_s)
    return Quoting(SubscriptionRepository(session), invoicing, buyers, resources.clock, back)


async def _subscribing(session: Session, resources: ResourcesDep) -> Subscribing:
    collecting = collection.build_collecting(session, resources)
    return Subscribing(own_transactions(build, resources), collecting, build(session, resources))


async def _changing(session: Session, resources: ResourcesDep) -> Changing:
    collecting = collection.build_collecting(session, resources)
    return Changing(own_transactions(build_changes, resources), collecting, build_changes(session, resources))


async def _ending(session: Session, resources: ResourcesDep) -> Ending:
    collecting = collection.build_collecting(session, resources)
    return Ending(own_transactions(build_endings, resources), collecting, build_endings(session, resources))


async def _endings(session: Session, resources: ResourcesDep) -> Endings:
    return build_endings(session, resources)


async def _previews(session: Session, resources: ResourcesDep) -> Previews:
    quoting, invoicing = _build_quoting(session, resources), build_invoicing(session, resources)
    return Previews(SubscriptionRepository(session), quoting, invoicing)


async def _views(reads: ReadSession) -> SubscriptionViews:
    return SubscriptionViews(SubscriptionQueries(reads), invoices.build_views(reads))


ChangingDep = Annotated[Changing, Depends(_changing)]
EndingDep = Annotated[Ending, Depends(_ending)]
EndingsDep = Annotated[Endings, Depends(_endings)]
PreviewsDep = Annotated[Previews, Depends(_previews)]
SubscribingDep = Annotated[Subscribing, Depends(_subscribing)]
SubscriptionViewsDep = Annotated[SubscriptionViews, Depends(_views)]
