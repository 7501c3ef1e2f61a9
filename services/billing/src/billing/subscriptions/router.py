"""A user's own subscriptions over HTTP."""

from operator import attrgetter

from billing.customers.dependencies import UserId
from billing.invoices.models import SubscriptionId
from billing.subscriptions.dependencies import SubscribingDep, SubscriptionViewsDep
from billing.subscriptions.schemas import SubscriptionCreate, SubscriptionRead
from billing.subscriptions.service import Order
from core.dependencies import Created, PageDep, RequestKey, idempotent
from core.routing import Router
from core.web.pages import PageOf

router = Router(prefix="/v1/subscriptions", tags=["subscriptions"])


@router.post("", status_code=201)
@idempotent
async def subscribe(
    body: SubscriptionCreate, user_id: UserId, key: RequestKey, subscribing: SubscribingDep, created: Created
) -> SubscriptionRead:
    order = Order(user_id=user_id, request_key=key, **dict(body))
    return created(SubscriptionRead.of(await subscribing.subscribe(order)))


@router.get("")
async def list_subscriptions(
    user_id: UserId, page: PageDep, subscriptions: SubscriptionViewsDep
) -> PageOf[SubscriptionRead]:
    rows = await subscriptions.page(user_id=user_id, after=page.after, limit=page.limit)
    return page.of(rows, item=SubscriptionRead.of, position=attrgetter("created_at", "id"))


@router.get("/{subscription_id}")
async def read_subscription(
    subscription_id: SubscriptionId, user_id: UserId, subscriptions: SubscriptionViewsDep
) -> SubscriptionRead:
    return SubscriptionRead.of(await subscriptions.one(subscription_id, user_id=user_id))
