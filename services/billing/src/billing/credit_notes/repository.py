"""Every query on credit notes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, bindparam, cast, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from billing.credit_notes.models import CreditNote, CreditNoteLine, CreditNoteLineView, CreditNoteView, RefundOfView
from billing.credit_notes.rules import Creditable
from billing.customers.models import Customer
from billing.invoices.models import InvoiceLine
from billing.refunds.models import Refund
from billing.tables import Rows, all_as_json, as_json, columns, following
from core.database import Position, Query, ReadSession, page_parameters, paged

_lines = all_as_json(CreditNoteLine, CreditNoteLineView, order_by=CreditNoteLine.position)
_refund = select(as_json(Refund, RefundOfView)).where(Refund.credit_note_id == CreditNote.id)
# How a credit note is read, inside a transaction and outside.
_NOTES: Rows = select(
    *columns(CreditNote, CreditNoteView),
    select(_lines).where(CreditNoteLine.credit_note_id == CreditNote.id).scalar_subquery().label("lines"),
    _refund.scalar_subquery().label("refund"),
)
_ONE = _NOTES.where(CreditNote.id == bindparam("credit_note_id"))
_mine = select(Customer.id).where(Customer.user_id == bindparam("user_id")).scalar_subquery()
_FILTERS = {
    "user_id": CreditNote.customer_id == _mine,
    "customer_id": CreditNote.customer_id == bindparam("customer_id"),
    "invoice_id": CreditNote.invoice_id == bindparam("invoice_id"),
    "credit_note_id": CreditNote.id == bindparam("credit_note_id"),
}


def _sum(column: InstrumentedAttribute[int]) -> ColumnElement[int]:
    return cast(func.coalesce(func.sum(column), 0), BigInteger)


@cache
def _one_of(*filters: str) -> Query[CreditNoteView]:
    return Query(_filtered(filters), CreditNoteView)


@cache
def _page_of(*filters: str) -> Query[CreditNoteView]:
    """A statement for each set of filters, so that an index serves each."""
    return Query(paged(_filtered(filters), CreditNote.created_at, CreditNote.id), CreditNoteView)


def _filtered(filters: Iterable[str]) -> Rows:
    return _NOTES.where(*(_FILTERS[name] for name in filters))


@dataclass(frozen=True, slots=True)
class CreditNoteRepository:
    """Reads and writes, in the transaction of a session."""

    session: AsyncSession

    async def add(self, note: CreditNote, lines: Iterable[CreditNoteLine]) -> None:
        self.session.add(note)
        await self.session.flush()
        self.session.add_all(lines)
        await self.session.flush()

    async def of_request(self, request_key: UUID) -> CreditNote | None:
        return await self.session.scalar(select(CreditNote).where(CreditNote.request_key == request_key))

    async def nets(self, credit_note_id: UUID) -> dict[UUID, int]:
        """The net amounts of a credit note, by line of the invoice."""
        lines = select(CreditNoteLine.invoice_line_id, CreditNoteLine.net_minor)
        found = await self.session.execute(lines.where(CreditNoteLine.credit_note_id == credit_note_id))
        return {row.invoice_line_id: row.net_minor for row in found}

    async def creditable(self, invoice_id: UUID) -> list[Creditable]:
        """The lines of an invoice with what was taken back of each, in their order."""
        lines = (
            select(
                InvoiceLine.id.label("line_id"),
                InvoiceLine.description,
                InvoiceLine.tax_rate,
                InvoiceLine.net_minor,
                _sum(CreditNoteLine.net_minor).label("credited_net_minor"),
                _sum(CreditNoteLine.tax_minor).label("credited_tax_minor"),
            )
            .outerjoin(CreditNoteLine, CreditNoteLine.invoice_line_id == InvoiceLine.id)
            .where(InvoiceLine.invoice_id == invoice_id)
            .group_by(InvoiceLine.id)
            .order_by(InvoiceLine.position)
        )
        return [Creditable(*row) for row in await self.session.execute(lines)]

    async def view(self, credit_note_id: UUID) -> CreditNoteView:
        row = (await self.session.execute(_ONE, {"credit_note_id": credit_note_id})).mappings().one()
        return CreditNoteView.model_validate(dict(row))

    async def count(self) -> int:
        return await self.session.scalar(select(func.count()).select_from(CreditNote)) or 0

    async def following(self, after: UUID | None, *, limit: int) -> Sequence[CreditNote]:
        """The next ones in the order of their ids."""
        page = following(select(CreditNote), CreditNote.id, after=after, limit=limit)
        return (await self.session.scalars(page)).all()


@dataclass(frozen=True, slots=True)
class CreditNoteQueries:
    """Reads, each on a snapshot of its own."""

    reads: ReadSession

    async def one(self, credit_note_id: UUID, filters: Mapping[str, UUID]) -> CreditNoteView | None:
        wanted = {**filters, "credit_note_id": credit_note_id}
        return await self.reads.first(_one_of(*sorted(wanted)), **wanted)

    async def page(self, filters: Mapping[str, UUID], after: Position | None, limit: int) -> list[CreditNoteView]:
        return await self.reads.all(_page_of(*sorted(filters)), **filters, **page_parameters(after, limit))
