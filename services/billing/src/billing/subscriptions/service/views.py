"""What is read of subscriptions."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.invoices.service import InvoiceViews
from billing.subscriptions.models import SubscriptionView
from billing.subscriptions.repository import SubscriptionQueries
from core.errors import NotFound


class SubscriptionNotFound(NotFound):
    """There is no such subscription."""

    code = "subscription_not_found"


@dataclass(frozen=True, slots=True)
class SubscriptionViews:
    """Subscriptions as they are read, by whoever the filters let read them."""

    queries: SubscriptionQueries
    invoices: InvoiceViews

    async def one(self, subscription_id: UUID, filters: Mapping[str, UUID]) -> SubscriptionView:
        """One subscription.

        Raises:
            SubscriptionNotFound: there is no such subscription among those.
        """
        found = await self.queries.one(subscription_id, filters)
        if found is None:
            raise SubscriptionNotFound
        return (await self._with_invoices([found]))[0]

    async def page(
        self, filters: Mapping[str, UUID], *, after: tuple[datetime, UUID] | None, limit: int
    ) -> list[SubscriptionView]:
        return await self._with_invoices(await self.queries.page(filters, after, limit))

    async def _with_invoices(self, views: list[SubscriptionView]) -> list[SubscriptionView]:
        latest = await self.invoices.latest_of([view.id for view in views])
        return [view.model_copy(update={"latest_invoice": latest.get(view.id)}) for view in views]
