"""What users read of their invoices."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.invoices.models import InvoiceView
from billing.invoices.repository import InvoiceQueries
from billing.invoices.service.documents import InvoiceNotFound


@dataclass(frozen=True, slots=True)
class InvoiceViews:
    """A user's own invoices, as they are read."""

    queries: InvoiceQueries

    async def one(self, invoice_id: UUID, *, user_id: UUID) -> InvoiceView:
        """One invoice.

        Raises:
            InvoiceNotFound: the user has no such invoice.
        """
        invoice = await self.queries.one(invoice_id, user_id)
        if invoice is None:
            raise InvoiceNotFound
        return invoice

    async def page(self, *, user_id: UUID, after: tuple[datetime, UUID] | None, limit: int) -> list[InvoiceView]:
        return await self.queries.page(user_id, after, limit)

    async def latest_of(self, subscription_ids: Sequence[UUID]) -> dict[UUID | None, InvoiceView]:
        """The last invoice of each subscription that has one."""
        return {invoice.subscription_id: invoice for invoice in await self.queries.latest_of(subscription_ids)}
