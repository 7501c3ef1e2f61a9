"""What is read of invoices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.invoices.models import InvoiceView
from billing.invoices.repository import InvoiceQueries
from billing.invoices.rules import as_it_stands
from billing.invoices.service.documents import InvoiceNotFound


@dataclass(frozen=True, slots=True)
class InvoiceViews:
    """Invoices as they are read, by whoever the filters let read them."""

    queries: InvoiceQueries

    async def one(self, invoice_id: UUID, filters: Mapping[str, UUID]) -> InvoiceView:
        """One invoice.

        Raises:
            InvoiceNotFound: there is no such invoice among those.
        """
        invoice = await self.queries.one(invoice_id, filters)
        if invoice is None:
            raise InvoiceNotFound
        return as_it_stands(invoice)

    async def with_lines(
        self, invoice_id: UUID, filters: Mapping[str, UUID], *, after: tuple[datetime, UUID] | None, limit: int
    ) -> InvoiceView:
        """The same with one page of its lines, and one line more if there is another: there are never many.

        Raises:
            InvoiceNotFound: there is no such invoice among those.
        """
        invoice = await self.one(invoice_id, filters)
        ids = [line.id for line in invoice.lines]
        first = 0 if after is None else ids.index(after[1]) + 1
        return invoice.model_copy(update={"lines": invoice.lines[first : first + limit + 1]})

    async def page(
        self, filters: Mapping[str, UUID], *, after: tuple[datetime, UUID] | None, limit: int
    ) -> list[InvoiceView]:
        return [as_it_stands(invoice) for invoice in await self.queries.page(filters, after, limit)]

    async def latest_of(self, subscription_ids: Sequence[UUID]) -> dict[UUID | None, InvoiceView]:
        """The last invoice of each subscription that has one."""
        return {invoice.subscription_id: invoice for invoice in await self.queries.latest_of(subscription_ids)}
