"""What users read of their subscriptions."""

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
    """A user's own subscriptions, as they are read."""

    queries: SubscriptionQueries
    invoices: InvoiceViews

    async def one(self, subscription_id: UUID, *, user_id: UUID) -> SubscriptionView:
        """One subscription.

        Raises:
            SubscriptionNotFound: the user has no such subscription.
        """
        found = await self.queries.one(subscription_id, user_id)
        if found is None:
            raise SubscriptionNotFound
        return (await self._with_invoices([found]))[0]

    async def page(self, *, user_id: UUID, after: tuple[datetime, UUID] | None, limit: int) -> list[SubscriptionView]:
        return await self._with_invoices(await self.queries.page(user_id, after, limit))

    async def _with_invoices(self, views: list[SubscriptionView]) -> list[SubscriptionView]:
        latest = await self.invoices.latest_of([view.id for view in views])
        return [view.model_copy(update={"latest_invoice": latest.get(view.id)}) for view in views]
