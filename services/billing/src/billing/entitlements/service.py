"""What customers may use: kept beside their subscriptions, and told when it changes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from billing.catalog.models import Entitlements as Features
from billing.customers.service import CustomerNotFound
from billing.entitlements.announcements import EntitlementsState
from billing.entitlements.models import Entitlement, EntitlementsView
from billing.entitlements.repository import EntitlementQueries, EntitlementRepository
from billing.entitlements.rules import is_same, merged
from core.clock import Clock
from core.events import Events
from core.ids import format_id

_NOTHING = EntitlementsView(features={}, sequence=0, updated_at=None)


@dataclass(frozen=True, slots=True)
class Entitlements:
    """What customers may use."""

    repository: EntitlementRepository
    events: Events
    clock: Clock

    async def update(self, customer_id: UUID, plans: Iterable[Features]) -> None:
        """Keeps what these plans give to a customer who is locked; announced if that is not what they had.

        In the transaction in which the plans change: nobody ever reads a subscription beside what another one gave.
        """
        features, known = merged(plans), await self.repository.of(customer_id) or _NOTHING
        if is_same(features, known.features):
            return
        entitlement = Entitlement(
            customer_id=customer_id, features=features, sequence=known.sequence + 1, updated_at=self.clock.now()
        )
        await self.repository.store(entitlement)
        await self._announce([entitlement])

    async def count_announced(self) -> int:
        """How many customers have, or had, something that they may use."""
        return await self.repository.count()

    async def retell(self, *, after: UUID | None, limit: int) -> Sequence[UUID]:
        """Tells again what the next ones may use; the ids of these customers, in order."""
        entitlements = await self.repository.following(after, limit=limit)
        await self._announce(entitlements)
        return [entitlement.customer_id for entitlement in entitlements]

    async def _announce(self, entitlements: Sequence[Entitlement]) -> None:
        users = await self.repository.users_of([each.customer_id for each in entitlements])
        for each in entitlements:
            customer_id, user_id = format_id("cus", each.customer_id), format_id("usr", users[each.customer_id])
            state = EntitlementsState(customer_id=customer_id, user_id=user_id, entitlements=each.features)
            # A subject of its own: it counts other changes than the customer's.
            subject = f"{customer_id}/entitlements"
            await self.events.emit("entitlements.updated", subject=subject, sequence=each.sequence, data=state)


@dataclass(frozen=True, slots=True)
class EntitlementViews:
    """What customers may use, as it is read by whoever the filters let read it."""

    queries: EntitlementQueries

    async def of_user(self, user_id: UUID) -> EntitlementsView:
        """What a user may use; nothing, if they are no customer yet."""
        return await self.queries.of({"user_id": user_id}) or _NOTHING

    async def of_customer(self, filters: Mapping[str, UUID]) -> EntitlementsView:
        """What a customer may use.

        Raises:
            CustomerNotFound: there is no such customer among those.
        """
        found = await self.queries.of(filters)
        if found is None:
            raise CustomerNotFound
        return found
