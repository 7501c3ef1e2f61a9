"""What is read of refunds."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.refunds.models import RefundView
from billing.refunds.repository import RefundQueries
from billing.refunds.service.refunds import RefundNotFound


@dataclass(frozen=True, slots=True)
class RefundViews:
    """Refunds as they are read by who keeps the books."""

    queries: RefundQueries

    async def one(self, refund_id: UUID) -> RefundView:
        """One refund.

        Raises:
            RefundNotFound: there is none.
        """
        refund = await self.queries.one(refund_id)
        if refund is None:
            raise RefundNotFound
        return refund

    async def page(self, *, after: tuple[datetime, UUID] | None, limit: int) -> list[RefundView]:
        return await self.queries.page(after, limit)
