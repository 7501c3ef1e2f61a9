"""Every query on subscriptions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, bindparam, cast, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.catalog.models import Entitlements, Plan, Price
from billing.credit_notes.models import CreditNoteLine
from billing.customers.models import Customer
from billing.invoices.models import Invoice, InvoiceLine
from billing.money import product, rounded
from billing.payments.models import PaymentMethod
from billing.subscriptions.models import PendingItem, Subscription, SubscriptionChange, SubscriptionView
from billing.subscriptions.rules import Charge, Period
from billing.tables import LOCKED, Rows, columns, following
from core.database import Position, Query, ReadSession, page_parameters, paged

LIVE = ("incomplete", "trialing", "active", "past_due")
# Who has a right to what the plan gives: not who has paid nothing yet, but who is asked to pay again.
ENTITLING = ("trialing", "active", "past_due")

# How a subscription is read, inside a transaction and outside.
_SUBSCRIPTIONS: Rows = select(*columns(Subscription, SubscriptionView))
_ONE = _SUBSCRIPTIONS.where(Subscription.id == bindparam("subscription_id"))
_mine = select(Customer.id).where(Customer.user_id == bindparam("user_id")).scalar_subquery()
_FILTERS = {
    "user_id": Subscription.customer_id == _mine,
    "customer_id": Subscription.customer_id == bindparam("customer_id"),
    "subscription_id": Subscription.id == bindparam("subscription_id"),
}


@cache
def _one_of(*filters: str) -> Query[SubscriptionView]:
    return Query(_SUBSCRIPTIONS.where(*(_FILTERS[name] for name in filters)), SubscriptionView)


@cache
def _page_of(*filters: str) -> Query[SubscriptionView]:
    """A statement for each set of filters: an index serves each, and none serves "this filter, if it is given"."""
    filtered = _SUBSCRIPTIONS.where(*(_FILTERS[name] for name in filters))
    return Query(paged(filtered, Subscription.created_at, Subscription.id), SubscriptionView)


@dataclass(frozen=True, slots=True)
class SubscriptionRepository:
    """Reads and writes, in the transaction of a session."""

    session: AsyncSession

    async def add(self, subscription: Subscription) -> None:
        self.session.add(subscription)
        await self.session.flush()

    async def live(self, *, customer_id: UUID, plan_id: UUID) -> Sequence[UUID]:
        """The ids of a customer's subscriptions to a plan, or that will be to it from their next period on."""
        to_be = Subscription.next_price_id.in_(select(Price.id).where(Price.plan_id == plan_id))
        live = (Subscription.customer_id == customer_id, Subscription.status.in_(LIVE))
        of_plan = select(Subscription.id).where(*live, or_(Subscription.plan_id == plan_id, to_be))
        return (await self.session.scalars(of_plan)).all()

    async def had(self, *, customer_id: UUID, plan_id: UUID) -> bool:
        """Whether a customer has ever had the plan; who never paid for the first time has not."""
        of_plan = (Subscription.customer_id == customer_id, Subscription.plan_id == plan_id)
        had = select(Subscription.id).where(*of_plan, Subscription.status != "incomplete_expired")
        return await self.session.scalar(select(had.exists())) or False

    async def live_of(self, customer_id: UUID) -> Sequence[Subscription]:
        """A customer's, in the order of their ids; nobody else changes them until the transaction ends."""
        live = select(Subscription).where(Subscription.customer_id == customer_id, Subscription.status.in_(LIVE))
        locked = live.order_by(Subscription.id).with_for_update(key_share=True)
        return (await self.session.scalars(locked.execution_options(populate_existing=True))).all()

    async def entitling(self, customer_id: UUID) -> Sequence[Entitlements]:
        """What each plan gives that a customer has a right to."""
        plans = select(Plan.entitlements).join(Subscription, Subscription.plan_id == Plan.id)
        entitling = (Subscription.customer_id == customer_id, Subscription.status.in_(ENTITLING))
        return (await self.session.scalars(plans.where(*entitling))).all()

    async def needs_method(self, method: PaymentMethod) -> bool:
        """Whether something of a customer is to be paid with this method, be it by name or as the default."""
        mine = (Subscription.customer_id == method.customer_id, Subscription.status.in_(LIVE))
        named = select(Subscription.id).where(*mine, Subscription.payment_method_id == method.id)
        if not method.is_default:
            return await self.session.scalar(select(named.exists())) or False
        unnamed = select(Subscription.id).where(*mine, Subscription.payment_method_id.is_(None))
        owed = (
            select(Invoice.id)
            .outerjoin(Subscription, Subscription.id == Invoice.subscription_id)
            .where(Invoice.customer_id == method.customer_id, Invoice.status == "open")
            .where(Subscription.payment_method_id.is_(None))
        )
        return await self.session.scalar(select(or_(*(each.exists() for each in (named, unnamed, owed))))) or False

    async def clear_method(self, method_id: UUID) -> None:
        paid = update(Subscription).where(Subscription.payment_method_id == method_id)
        await self.session.execute(paid.values(payment_method_id=None))

    async def erase(self, customer_id: UUID) -> None:
        """Removes what a customer's subscriptions were paid with, what was asked of them, and what was never billed."""
        mine = Subscription.customer_id == customer_id
        ids = select(Subscription.id).where(mine)
        for kind, subscription_id in (
            (SubscriptionChange, SubscriptionChange.subscription_id),
            (PendingItem, PendingItem.subscription_id),
        ):
            await self.session.execute(delete(kind).where(subscription_id.in_(ids)))
        paid = update(Subscription).where(mine, Subscription.payment_method_id.is_not(None))
        await self.session.execute(paid.values(payment_method_id=None))

    async def locked(self, subscription_id: UUID) -> Subscription:
        """The subscription, as it is now; nobody else changes it until the transaction ends."""
        return await self.session.get_one(Subscription, subscription_id, with_for_update=LOCKED, populate_existing=True)

    async def one(self, subscription_id: UUID) -> Subscription:
        """The subscription of a customer who is locked; read once in a transaction."""
        return await self.session.get_one(Subscription, subscription_id)

    async def owes(self, subscription_id: UUID) -> bool:
        """Whether an invoice of the subscription waits for its money."""
        open_ = select(Invoice.id).where(Invoice.subscription_id == subscription_id, Invoice.status == "open")
        return await self.session.scalar(select(open_.exists())) or False

    async def charges(self, invoice_id: UUID) -> dict[UUID, Charge]:
        """The lines of an invoice, each without what credit notes have taken back of it."""
        return await self._charges(Invoice.id == invoice_id)

    async def charges_beside(self, invoice: Invoice) -> list[Charge]:
        """The same, with those of its subscription for the same periods that are paid, or wait for an invoice."""
        ends = select(InvoiceLine.period_end).where(InvoiceLine.invoice_id == invoice.id)
        charged = await self._charges(
            Invoice.subscription_id == invoice.subscription_id,
            or_(Invoice.status == "paid", Invoice.id == invoice.id),
            InvoiceLine.period_end.in_(ends),
        )
        mine = PendingItem.subscription_id == invoice.subscription_id
        waiting = await self.session.scalars(select(PendingItem).where(mine, PendingItem.period_end.in_(ends)))
        return [*charged.values(), *(_waiting(item) for item in waiting)]

    async def _charges(self, *which: ColumnElement[bool]) -> dict[UUID, Charge]:
        taken_back = func.coalesce(func.sum(CreditNoteLine.net_minor), 0)
        left: ColumnElement[int] = cast(InvoiceLine.net_minor - taken_back, BigInteger)
        lines = (
            select(InvoiceLine, left)
            .join(Invoice, Invoice.id == InvoiceLine.invoice_id)
            .outerjoin(CreditNoteLine, CreditNoteLine.invoice_line_id == InvoiceLine.id)
            .where(*which)
            .group_by(InvoiceLine.id)
        )
        return {
            line.id: Charge(left_minor, Period(line.period_start, line.period_end))
            for line, left_minor in await self.session.execute(lines)
        }

    async def of_user(self, subscription_id: UUID, user_id: UUID) -> tuple[Subscription, Customer] | None:
        """A user's subscription, and the customer that they are, as they were at one instant."""
        mine = (Subscription.id == subscription_id, Customer.user_id == user_id)
        both = select(Subscription, Customer).join(Customer, Customer.id == Subscription.customer_id).where(*mine)
        found = (await self.session.execute(both)).one_or_none()
        return None if found is None else (found.Subscription, found.Customer)

    async def locked_of(self, customer_id: UUID, subscription_id: UUID) -> Subscription | None:
        """A customer's subscription, as it is now; nobody else changes it until the transaction ends."""
        mine = (Subscription.id == subscription_id, Subscription.customer_id == customer_id)
        locked = select(Subscription).where(*mine).with_for_update(key_share=True)
        return await self.session.scalar(locked.execution_options(populate_existing=True))

    async def change_of(self, request_key: UUID) -> SubscriptionChange | None:
        """What a request has asked for and got."""
        return await self.session.scalar(
            select(SubscriptionChange).where(SubscriptionChange.request_key == request_key)
        )

    async def add_change(self, change: SubscriptionChange) -> None:
        self.session.add(change)
        await self.session.flush()

    async def pending(self, subscription_id: UUID) -> Sequence[PendingItem]:
        """The lines of the next invoice, in the order in which they came."""
        mine = PendingItem.subscription_id == subscription_id
        return (await self.session.scalars(select(PendingItem).where(mine).order_by(PendingItem.id))).all()

    async def add_pending(self, items: Iterable[PendingItem]) -> None:
        self.session.add_all(items)
        await self.session.flush()

    async def take_pending(self, subscription_id: UUID) -> Sequence[PendingItem]:
        """The same, which wait no longer."""
        taken = delete(PendingItem).where(PendingItem.subscription_id == subscription_id).returning(PendingItem)
        return sorted(await self.session.scalars(taken), key=attrgetter("id"))

    async def flush(self) -> None:
        await self.session.flush()

    async def view(self, subscription_id: UUID) -> SubscriptionView:
        row = (await self.session.execute(_ONE, {"subscription_id": subscription_id})).mappings().one()
        return SubscriptionView.model_validate(dict(row))

    async def count(self) -> int:
        return await self.session.scalar(select(func.count()).select_from(Subscription)) or 0

    async def following(self, *, after: UUID | None, limit: int) -> Sequence[Subscription]:
        """The next ones in the order of their ids; nobody changes them until the transaction ends."""
        page = following(select(Subscription), Subscription.id, after=after, limit=limit)
        return (await self.session.scalars(page)).all()


def _waiting(item: PendingItem) -> Charge:
    return Charge(rounded(product(item.quantity, item.unit_amount)), Period(item.period_start, item.period_end))


@dataclass(frozen=True, slots=True)
class SubscriptionQueries:
    """Reads, each on a snapshot of its own."""

    reads: ReadSession

    async def one(self, subscription_id: UUID, filters: Mapping[str, UUID]) -> SubscriptionView | None:
        wanted = {**filters, "subscription_id": subscription_id}
        return await self.reads.first(_one_of(*sorted(wanted)), **wanted)

    async def page(self, filters: Mapping[str, UUID], after: Position | None, limit: int) -> list[SubscriptionView]:
        return await self.reads.all(_page_of(*sorted(filters)), **filters, **page_parameters(after, limit))
