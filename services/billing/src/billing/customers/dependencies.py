"""Who may call, and how customers are built."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends

from billing.customers.repository import CustomerRepository
from billing.customers.service import Customers, NotAUser
from core.dependencies import Caller, ResourcesDep, Session
from core.resources import Resources


def build(session: Session, resources: Resources) -> Customers:
    """The customers in the transaction of `session`."""
    return Customers(CustomerRepository(session), resources.events(session), resources.clock)


async def _customers(session: Session, resources: ResourcesDep) -> Customers:
    return build(session, resources)


async def _user_id(caller: Caller) -> UUID:
    if caller.kind != "user":
        raise NotAUser
    return caller.id


CustomersDep = Annotated[Customers, Depends(_customers)]
# The user who calls, for what only users have: their own subscriptions, invoices, payment methods.
UserId = Annotated[UUID, Depends(_user_id)]
