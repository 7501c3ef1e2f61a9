"""How subscriptions are built: in a transaction, around the provider, or to be read."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends

from billing.catalog import dependencies as catalog
from billing.collection import dependencies as collection
from billing.collection.dependencies import Followers
from billing.collection.service import Follower
from billing.invoices import dependencies as invoices
from billing.subscriptions.repository import SubscriptionQueries, SubscriptionRepository
from billing.subscriptions.service import Standing, Subscribing, Subscriptions, SubscriptionViews
from core.dependencies import ReadSession, ResourcesDep, Session
from core.resources import Resources


def build(session: Session, resources: Resources) -> Subscriptions:
    """Subscriptions in the transaction of `session`."""
    return Subscriptions(
        repository=SubscriptionRepository(session),
        standing=build_standing(session, resources),
        catalog=catalog.build(session, resources),
        collection=collection.build(session, resources),
        clock=resources.clock,
    )


@asynccontextmanager
async def open_followers(_: Resources) -> AsyncGenerator[Followers]:
    """Subscriptions follow what becomes of their invoices."""

    def follower(session: Session, resources: Resources) -> Follower:
        return build_standing(session, resources)

    yield Followers(follower)


def build_standing(session: Session, resources: Resources) -> Standing:
    """The states of subscriptions in the transaction of `session`."""
    return Standing(SubscriptionRepository(session), resources.events(session), resources.clock)


async def _subscribing(session: Session, resources: ResourcesDep) -> Subscribing:
    @asynccontextmanager
    async def begin() -> AsyncGenerator[Subscriptions]:
        async with resources.database.transaction() as own:
            yield build(own, resources)

    return Subscribing(begin, collection.build_collecting(session, resources), build(session, resources))


async def _views(reads: ReadSession) -> SubscriptionViews:
    return SubscriptionViews(SubscriptionQueries(reads), invoices.build_views(reads))


SubscribingDep = Annotated[Subscribing, Depends(_subscribing)]
SubscriptionViewsDep = Annotated[SubscriptionViews, Depends(_views)]
