"""What is read of payments by who keeps the books."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from billing.payments.models import PaymentView
from billing.payments.repository import PaymentQueries
from billing.payments.service.attempts import PaymentNotFound


@dataclass(frozen=True, slots=True)
class PaymentViews:
    """The payments of all customers."""

    queries: PaymentQueries

    async def one(self, payment_id: UUID) -> PaymentView:
        """One of them.

        Raises:
            PaymentNotFound: there is none.
        """
        payment = await self.queries.payment(payment_id)
        if payment is None:
            raise PaymentNotFound
        return payment

    async def page(
        self, filters: Mapping[str, Any], *, after: tuple[datetime, UUID] | None, limit: int
    ) -> list[PaymentView]:
        """Those that pass the filters, the oldest first, and one more than `limit` if there are more."""
        return await self.queries.payments(filters, after, limit)
