"""How collection is built: in a transaction, around the provider, or where nobody waits for the answer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends

from billing.collection.service import Collecting, Collection, Follower, Unattended, Waiving
from billing.customers import dependencies as customers
from billing.invoices import dependencies as invoices
from billing.ledger import dependencies as ledger
from billing.payments import dependencies as payments
from billing.payments.provider import Provider
from billing.transactions import own_transactions
from core.dependencies import ResourcesDep, Session
from core.resources import Resources


@dataclass(frozen=True, slots=True)
class Followers:
    """Who is told what becomes of invoices; declared as a resource, because they stand above."""

    build: Callable[[Session, Resources], Follower]


def build(session: Session, resources: Resources) -> Collection:
    """Collection in the transaction of `session`."""
    return Collection(
        customers=customers.build(session, resources),
        methods=payments.build_methods(session, resources),
        payments=payments.build(session, resources),
        invoices=invoices.build(session, resources),
        ledger=ledger.build(session, resources),
        follower=resources[Followers].build(session, resources),
    )


def build_collecting(session: Session, resources: Resources) -> Collecting:
    """The three steps, the last of them in the transaction of `session`."""
    return Collecting(own_transactions(build, resources), resources[Provider], build(session, resources))


def build_unattended(resources: Resources) -> Unattended:
    """What is collected without a request, in transactions of its own."""
    return Unattended(own_transactions(build, resources), resources[Provider])


async def _collecting(session: Session, resources: ResourcesDep) -> Collecting:
    return build_collecting(session, resources)


async def _waiving(session: Session, resources: ResourcesDep) -> Waiving:
    return Waiving(build(session, resources))


WaivingDep = Annotated[Waiving, Depends(_waiving)]
CollectingDep = Annotated[Collecting, Depends(_collecting)]
