"""Who may call, whose things they read, and how customers are built."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Request

from billing.customers.repository import CustomerQueries, CustomerRepository
from billing.customers.schemas import CustomerFilter, CustomerQuery
from billing.customers.service import Customers, CustomerViews, NotAUser
from core.dependencies import Caller, ReadSession, ResourcesDep, Session, page, requires
from core.resources import Resources
from core.web.pages import Page


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads what customers have: a user their own, who has the scope `billing:read` everybody's."""

    # None: everybody's.
    user_id: UUID | None

    def only(self, filters: Mapping[str, UUID] = {}) -> dict[str, UUID]:
        """Filters that let through nothing but what this reader may read: `user_id` beside those given."""
        return dict(filters) if self.user_id is None else {**filters, "user_id": self.user_id}


def build(session: Session, resources: Resources) -> Customers:
    """The customers in the transaction of `session`."""
    return Customers(CustomerRepository(session), resources.events(session), resources.clock)


async def _customers(session: Session, resources: ResourcesDep) -> Customers:
    return build(session, resources)


async def _views(reads: ReadSession) -> CustomerViews:
    return CustomerViews(CustomerQueries(reads))


async def _customers_page(request: Request, resources: ResourcesDep, query: Annotated[CustomerQuery, Query()]) -> Page:
    return page(request, resources, query)


async def _user_id(caller: Caller) -> UUID:
    if caller.kind != "user":
        raise NotAUser
    return caller.id


async def _reader(caller: Caller) -> Reader:
    return Reader(None if "billing:read" in caller.scopes else await _user_id(caller))


# What a list of such things may be asked for.
CustomerFilterDep = Annotated[CustomerFilter, Query()]


async def _page(request: Request, resources: ResourcesDep, query: CustomerFilterDep) -> Page:
    return page(request, resources, query)


may_read = Depends(requires("billing:read"))
CustomersDep = Annotated[Customers, Depends(_customers)]
CustomerViewsDep = Annotated[CustomerViews, Depends(_views)]
# The list of customers, and its page.
CustomersQueryDep = Annotated[CustomerQuery, Query()]
CustomersPageDep = Annotated[Page, Depends(_customers_page)]
# The user who calls, for what only users have: their own subscriptions, invoices, payment methods.
UserId = Annotated[UUID, Depends(_user_id)]
# Who reads, for what customers have and who keeps the books may see.
ReaderDep = Annotated[Reader, Depends(_reader)]
CustomerPageDep = Annotated[Page, Depends(_page)]
