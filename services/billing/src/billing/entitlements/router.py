"""Entitlements over HTTP: asked for often, and so kept for a minute by whoever asks."""

from billing.customers.dependencies import ReaderDep, UserId
from billing.customers.models import CustomerId
from billing.entitlements.dependencies import EntitlementViewsDep
from billing.entitlements.schemas import EntitlementsRead
from core.dependencies import Conditional
from core.routing import Router

router = Router(prefix="/v1/customers", tags=["entitlements"])

MAX_AGE_S = 60


@router.get("/me/entitlements")
async def read_my_entitlements(
    user_id: UserId, entitlements: EntitlementViewsDep, conditional: Conditional
) -> EntitlementsRead:
    view = await entitlements.of_user(user_id)
    conditional.check(view.sequence, max_age_s=MAX_AGE_S)
    return EntitlementsRead.of(view)


@router.get("/{customer_id}/entitlements")
async def read_entitlements(
    customer_id: CustomerId, reader: ReaderDep, entitlements: EntitlementViewsDep, conditional: Conditional
) -> EntitlementsRead:
    view = await entitlements.of_customer(reader.only({"customer_id": customer_id}))
    conditional.check(view.sequence, max_age_s=MAX_AGE_S)
    return EntitlementsRead.of(view)
