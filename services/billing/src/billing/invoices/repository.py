"""Every query on invoices."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from uuid import UUID

from sqlalchemy import ColumnElement, Uuid, any_, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on, insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from billing.customers.models import Customer
from billing.invoices.announcements import ANNOUNCED_AS
from billing.invoices.models import Invoice, InvoiceLine, InvoiceSeries, InvoiceView, LineView, PaymentView
from billing.payments.models import Payment
from billing.tables import LOCKED, Rows, all_as_json, as_json, columns, following
from core.database import Position, Query, ReadSession, page_parameters, paged

_lines = all_as_json(InvoiceLine, LineView, order_by=InvoiceLine.position)
_of_invoice = (
    select(as_json(Payment, PaymentView))
    .where(Payment.invoice_id == Invoice.id)
    .order_by(Payment.created_at.desc(), Payment.id.desc())
    .limit(1)
)
_balance = select(Customer.balance_minor).where(Customer.id == Invoice.customer_id)
# How an invoice is read, inside a transaction and outside.
_INVOICES: Rows = select(
    *columns(Invoice, InvoiceView),
    select(_lines).where(InvoiceLine.invoice_id == Invoice.id).scalar_subquery().label("lines"),
    _of_invoice.scalar_subquery().label("last_payment"),
    _balance.scalar_subquery().label("balance_minor"),
)
_ONE = _INVOICES.where(Invoice.id == bindparam("invoice_id"))
_each = aliased(Invoice)
_latest = (
    select(_each.id)
    .where(_each.subscription_id == any_(bindparam("subscription_ids", type_=ARRAY(Uuid))))
    .ext(distinct_on(_each.subscription_id))
    .order_by(_each.subscription_id, _each.created_at.desc(), _each.id.desc())
)
# By their ids, so that lines are gathered of these alone and not of all that a subscription has ever had.
_LATEST = _INVOICES.where(Invoice.id.in_(_latest))
_ANNOUNCED = Invoice.status.in_(ANNOUNCED_AS)
_LATEST_OUTSIDE = Query(_LATEST, InvoiceView)
_mine = select(Customer.id).where(Customer.user_id == bindparam("user_id")).scalar_subquery()
_FILTERS = {
    # What is no document yet, its customer does not see.
    "user_id": (Invoice.customer_id == _mine, Invoice.status != "draft"),
    "customer_id": (Invoice.customer_id == bindparam("customer_id"),),
    "invoice_id": (Invoice.id == bindparam("invoice_id"),),
}


def _filtered(filters: Iterable[str]) -> Rows:
    return _INVOICES.where(*(condition for name in filters for condition in _FILTERS[name]))


@cache
def _one_of(*filters: str) -> Query[InvoiceView]:
    return Query(_filtered(filters), InvoiceView)


@cache
def _page_of(*filters: str) -> Query[InvoiceView]:
    """A statement for each set of filters: an index serves each, and none serves "this filter, if it is given"."""
    return Query(paged(_filtered(filters), Invoice.created_at, Invoice.id), InvoiceView)


@dataclass(frozen=True, slots=True)
class InvoiceRepository:
    """Reads and writes, in the transaction of a session."""

    session: AsyncSession

    async def add(self, invoice: Invoice) -> None:
        self.session.add(invoice)
        await self.session.flush()

    async def put_lines(self, lines: Iterable[InvoiceLine]) -> None:
        """Stores what is new or has changed of a draft's lines; none of them can be changed later."""
        self.session.add_all(lines)
        await self.session.flush()

    async def lines(self, invoice_id: UUID) -> Sequence[InvoiceLine]:
        """Those of a draft that is locked, in their order."""
        lines = select(InvoiceLine).where(InvoiceLine.invoice_id == invoice_id).order_by(InvoiceLine.position)
        return (await self.session.scalars(lines)).all()

    async def next_number(self, series: str, year: int) -> int:
        """The next number; it is taken if the transaction commits, and others wait until they know."""
        taken = insert(InvoiceSeries).values(name=series, year=year, last=1)
        following = taken.on_conflict_do_update(
            index_elements=[InvoiceSeries.name, InvoiceSeries.year], set_={"last": InvoiceSeries.last + 1}
        )
        return (await self.session.execute(following.returning(InvoiceSeries.last))).scalar_one()

    async def customer_of(self, invoice_id: UUID) -> UUID | None:
        return await self.session.scalar(select(Invoice.customer_id).where(Invoice.id == invoice_id))

    async def locked(self, invoice_id: UUID) -> Invoice | None:
        """The invoice, as it is now; nobody else changes it until the transaction ends."""
        return await self.session.get(Invoice, invoice_id, with_for_update=LOCKED, populate_existing=True)

    async def open(self, customer_id: UUID) -> Sequence[Invoice]:
        """A customer's, in the order of their ids; nobody else changes them until the transaction ends."""
        open_ = select(Invoice).where(Invoice.customer_id == customer_id, Invoice.status == "open")
        locked = open_.order_by(Invoice.id).with_for_update(key_share=True).execution_options(populate_existing=True)
        return (await self.session.scalars(locked)).all()

    async def remove_drafts(self, customer_id: UUID) -> None:
        await self._remove(Invoice.customer_id == customer_id)

    async def remove_draft(self, invoice_id: UUID) -> None:
        await self._remove(Invoice.id == invoice_id)

    async def flush(self) -> None:
        await self.session.flush()

    async def view(self, invoice_id: UUID) -> InvoiceView:
        row = (await self.session.execute(_ONE, {"invoice_id": invoice_id})).mappings().one()
        return InvoiceView.model_validate(dict(row))

    async def latest_of(self, subscription_id: UUID) -> InvoiceView | None:
        found = await self.session.execute(_LATEST, {"subscription_ids": [subscription_id]})
        row = found.mappings().one_or_none()
        return None if row is None else InvoiceView.model_validate(dict(row))

    async def count_announced(self) -> int:
        return await self.session.scalar(select(func.count()).select_from(Invoice).where(_ANNOUNCED)) or 0

    async def announced(self, *, after: UUID | None, limit: int) -> Sequence[Invoice]:
        """The next of them in the order of their ids; nobody changes them until the transaction ends."""
        page = following(select(Invoice).where(_ANNOUNCED), Invoice.id, after=after, limit=limit)
        return (await self.session.scalars(page)).all()

    async def _remove(self, which: ColumnElement[bool]) -> None:
        drafts = select(Invoice.id).where(which, Invoice.status == "draft")
        for kind, invoice_id in ((InvoiceLine, InvoiceLine.invoice_id), (Invoice, Invoice.id)):
            await self.session.execute(delete(kind).where(invoice_id.in_(drafts)))


@dataclass(frozen=True, slots=True)
class InvoiceQueries:
    """Reads, each on a snapshot of its own."""

    reads: ReadSession

    async def one(self, invoice_id: UUID, filters: Mapping[str, UUID]) -> InvoiceView | None:
        wanted = {**filters, "invoice_id": invoice_id}
        return await self.reads.first(_one_of(*sorted(wanted)), **wanted)

    async def page(self, filters: Mapping[str, UUID], after: Position | None, limit: int) -> list[InvoiceView]:
        return await self.reads.all(_page_of(*sorted(filters)), **filters, **page_parameters(after, limit))

    async def latest_of(self, subscription_ids: Sequence[UUID]) -> list[InvoiceView]:
        return await self.reads.all(_LATEST_OUTSIDE, subscription_ids=subscription_ids)
