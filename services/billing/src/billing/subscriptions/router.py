"""Subscriptions over HTTP."""

from operator import attrgetter

from billing.customers.dependencies import CustomerFilterDep, CustomerPageDep, ReaderDep, UserId
from billing.invoices.models import SubscriptionId
from billing.subscriptions.dependencies import (
    ChangingDep,
    EndingDep,
    EndingsDep,
    PreviewsDep,
    SubscribingDep,
    SubscriptionViewsDep,
)
from billing.subscriptions.schemas import (
    InvoicePreview,
    InvoicePreviewRead,
    SubscriptionCancel,
    SubscriptionCreate,
    SubscriptionPatch,
    SubscriptionRead,
)
from billing.subscriptions.service import Change, Order
from core.dependencies import Created, ETag, IfMatch, RequestKey, idempotent
from core.routing import Router
from core.web.pages import PageOf
from core.web.patches import Merged

router = Router(prefix="/v1/subscriptions", tags=["subscriptions"])
# A path of invoices, and a question about a subscription.
preview_router = Router(prefix="/v1/invoices", tags=["subscriptions"])


@router.post("", status_code=201)
@idempotent
async def subscribe(
    *,
    body: SubscriptionCreate,
    user_id: UserId,
    key: RequestKey,
    subscribing: SubscribingDep,
    created: Created,
    etag: ETag,
) -> SubscriptionRead:
    subscription = await subscribing.subscribe(Order(user_id=user_id, request_key=key, **dict(body)))
    etag.set(subscription.sequence)
    return created(SubscriptionRead.of(subscription))


@router.get("")
async def list_subscriptions(
    reader: ReaderDep, query: CustomerFilterDep, page: CustomerPageDep, subscriptions: SubscriptionViewsDep
) -> PageOf[SubscriptionRead]:
    rows = await subscriptions.page(reader.only(query.filters()), after=page.after, limit=page.limit)
    return page.of(rows, item=SubscriptionRead.of, position=attrgetter("created_at", "id"))


@router.get("/{subscription_id}")
async def read_subscription(
    subscription_id: SubscriptionId, reader: ReaderDep, subscriptions: SubscriptionViewsDep, etag: ETag
) -> SubscriptionRead:
    """One subscription, under the ETag that a change of it asks for; its last invoice moves without it."""
    subscription = await subscriptions.one(subscription_id, reader.only())
    etag.set(subscription.sequence)
    return SubscriptionRead.of(subscription)


@router.patch("/{subscription_id}")
@idempotent
async def change_subscription(
    *,
    subscription_id: SubscriptionId,
    patch: Merged[SubscriptionPatch],
    user_id: UserId,
    key: RequestKey,
    changing: ChangingDep,
    if_match: IfMatch,
    etag: ETag,
) -> SubscriptionRead:
    """Changes price or quantity. A declined charge leaves the change in force and the subscription `past_due`."""
    subscription = await changing.change(
        subscription_id, Change(**patch.changes()), user_id=user_id, request_key=key, preconditions=if_match
    )
    etag.set(subscription.sequence)
    return SubscriptionRead.of(subscription)


@router.post("/{subscription_id}/cancel")
async def cancel_subscription(
    subscription_id: SubscriptionId,
    user_id: UserId,
    ending: EndingDep,
    etag: ETag,
    body: SubscriptionCancel | None = None,
) -> SubscriptionRead:
    """Ends it, now or with its period; for the rest of a period nothing is given back."""
    when = body.when if body else "now"
    subscription = await ending.cancel(subscription_id, when, user_id=user_id)
    etag.set(subscription.sequence)
    return SubscriptionRead.of(subscription)


@router.post("/{subscription_id}/resume")
async def resume_subscription(
    subscription_id: SubscriptionId, user_id: UserId, endings: EndingsDep, etag: ETag
) -> SubscriptionRead:
    """Takes back that it ends with its period."""
    subscription = await endings.resume(subscription_id, user_id=user_id)
    etag.set(subscription.sequence)
    return SubscriptionRead.of(subscription)


@preview_router.post("/preview")
async def preview_invoice(body: InvoicePreview, user_id: UserId, previews: PreviewsDep) -> InvoicePreviewRead:
    """The invoice that a change would make; where it makes none, the one of the next period, as it would be."""
    asked_for = dict(body)
    subscription_id = asked_for.pop("subscription_id")
    return InvoicePreviewRead.of(await previews.preview(subscription_id, Change(**asked_for), user_id=user_id))
