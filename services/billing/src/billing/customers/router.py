"""Customers over HTTP: everybody their own, who keeps the books all."""

from operator import attrgetter

from billing.customers.dependencies import (
    CustomersDep,
    CustomersPageDep,
    CustomersQueryDep,
    CustomerViewsDep,
    ReaderDep,
    UserId,
    may_read,
)
from billing.customers.models import CustomerId
from billing.customers.schemas import BalanceTransactionRead, CustomerRead
from core.dependencies import PageDep
from core.routing import Router
from core.web.pages import PageOf

router = Router(prefix="/v1/customers", tags=["customers"])


@router.get("", dependencies=[may_read])
async def list_customers(
    query: CustomersQueryDep, page: CustomersPageDep, customers: CustomerViewsDep
) -> PageOf[CustomerRead]:
    rows = await customers.page(query.filters(), after=page.after, limit=page.limit)
    return page.of(rows, item=CustomerRead.of, position=attrgetter("created_at", "id"))


@router.get("/me")
async def read_me(user_id: UserId, customers: CustomersDep) -> CustomerRead:
    return CustomerRead.of(await customers.of_user(user_id))


@router.get("/me/balance-transactions")
async def list_my_balance_transactions(
    user_id: UserId, page: PageDep, views: CustomerViewsDep
) -> PageOf[BalanceTransactionRead]:
    rows = await views.balance_transactions({"user_id": user_id}, after=page.after, limit=page.limit)
    return page.of(rows, item=BalanceTransactionRead.of, position=attrgetter("created_at", "id"))


@router.get("/{customer_id}/balance-transactions")
async def list_balance_transactions(
    customer_id: CustomerId, reader: ReaderDep, page: PageDep, views: CustomerViewsDep
) -> PageOf[BalanceTransactionRead]:
    filters = reader.only({"customer_id": customer_id})
    rows = await views.balance_transactions(filters, after=page.after, limit=page.limit)
    return page.of(rows, item=BalanceTransactionRead.of, position=attrgetter("created_at", "id"))


@router.get("/{customer_id}")
async def read_customer(customer_id: CustomerId, reader: ReaderDep, customers: CustomerViewsDep) -> CustomerRead:
    return CustomerRead.of(await customers.one(reader.only({"customer_id": customer_id})))
