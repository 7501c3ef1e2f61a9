"""Customers over HTTP."""

from billing.customers.dependencies import CustomersDep, UserId
from billing.customers.schemas import CustomerRead
from core.routing import Router

router = Router(prefix="/v1/customers", tags=["customers"])


@router.get("/me")
async def read_me(user_id: UserId, customers: CustomersDep) -> CustomerRead:
    return CustomerRead.of(await customers.of_user(user_id))
