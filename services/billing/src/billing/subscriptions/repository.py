"""Every query on subscriptions."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.models import Customer
from billing.invoices.models import Invoice
from billing.subscriptions.announcements import ANNOUNCED_AS
from billing.subscriptions.models import Subscription, SubscriptionView
from billing.tables import LOCKED, Rows, columns, following
from core.database import Position, Query, ReadSession, page_parameters, paged

LIVE = ("incomplete", "trialing", "active", "past_due")

_ANNOUNCED = Subscription.status.in_(ANNOUNCED_AS)
# How a subscription is read, inside a transaction and outside.
_SUBSCRIPTIONS: Rows = select(*columns(Subscription, SubscriptionView))
_ONE = _SUBSCRIPTIONS.where(Subscription.id == bindparam("subscription_id"))
_MINE = _SUBSCRIPTIONS.join(Customer, Customer.id == Subscription.customer_id).where(
    Customer.user_id == bindparam("user_id")
)
_MY_ONE = Query(_MINE.where(Subscription.id == bindparam("subscription_id")), SubscriptionView)
_MY_PAGE = Query(paged(_MINE, Subscription.created_at, Subscription.id), SubscriptionView)


@dataclass(frozen=True, slots=True)
class SubscriptionRepository:
    """Reads and writes, in the transaction of a session."""

    session: AsyncSession

    async def add(self, subscription: Subscription) -> None:
        self.session.add(subscription)
        await self.session.flush()

    async def of_request(self, request_key: UUID) -> Subscription | None:
        return await self.session.scalar(select(Subscription).where(Subscription.request_key == request_key))

    async def live(self, *, customer_id: UUID, plan_id: UUID) -> Subscription | None:
        of_plan = (Subscription.customer_id == customer_id, Subscription.plan_id == plan_id)
        return await self.session.scalar(select(Subscription).where(*of_plan, Subscription.status.in_(LIVE)))

    async def live_of(self, customer_id: UUID) -> Sequence[Subscription]:
        """A customer's, in the order of their ids; nobody else changes them until the transaction ends."""
        live = select(Subscription).where(Subscription.customer_id == customer_id, Subscription.status.in_(LIVE))
        locked = live.order_by(Subscription.id).with_for_update(key_share=True)
        return (await self.session.scalars(locked.execution_options(populate_existing=True))).all()

    async def clear_methods(self, customer_id: UUID) -> None:
        paid = update(Subscription).where(
            Subscription.customer_id == customer_id, Subscription.payment_method_id.is_not(None)
        )
        await self.session.execute(paid.values(payment_method_id=None))

    async def locked(self, subscription_id: UUID) -> Subscription:
        """The subscription, as it is now; nobody else changes it until the transaction ends."""
        return await self.session.get_one(Subscription, subscription_id, with_for_update=LOCKED, populate_existing=True)

    async def owes(self, subscription_id: UUID) -> bool:
        """Whether an invoice of the subscription waits for its money."""
        open_ = select(Invoice.id).where(Invoice.subscription_id == subscription_id, Invoice.status == "open")
        return await self.session.scalar(select(open_.exists())) or False

    async def flush(self) -> None:
        await self.session.flush()

    async def view(self, subscription_id: UUID) -> SubscriptionView:
        row = (await self.session.execute(_ONE, {"subscription_id": subscription_id})).mappings().one()
        return SubscriptionView.model_validate(dict(row))

    async def count_announced(self) -> int:
        return await self.session.scalar(select(func.count()).select_from(Subscription).where(_ANNOUNCED)) or 0

    async def announced(self, *, after: UUID | None, limit: int) -> Sequence[Subscription]:
        """The next of them in the order of their ids; nobody changes them until the transaction ends."""
        page = following(select(Subscription).where(_ANNOUNCED), Subscription.id, after=after, limit=limit)
        return (await self.session.scalars(page)).all()


@dataclass(frozen=True, slots=True)
class SubscriptionQueries:
    """Reads, each on a snapshot of its own."""

    reads: ReadSession

    async def one(self, subscription_id: UUID, user_id: UUID) -> SubscriptionView | None:
        return await self.reads.first(_MY_ONE, subscription_id=subscription_id, user_id=user_id)

    async def page(self, user_id: UUID, after: Position | None, limit: int) -> list[SubscriptionView]:
        return await self.reads.all(_MY_PAGE, user_id=user_id, **page_parameters(after, limit))
