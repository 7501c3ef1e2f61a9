"""How the retry of a request is known by which a subscription began or changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from billing.subscriptions.models import SubscriptionChange
from billing.subscriptions.repository import SubscriptionRepository
from core.clock import Clock
from core.idempotency import IdempotencyKeyReused
from core.ids import new_id


@dataclass(frozen=True, slots=True)
class Requests:
    """The requests that took effect; each of them does so once."""

    repository: SubscriptionRepository
    clock: Clock

    async def begun(self, request_key: UUID, terms: Mapping[str, Any]) -> UUID | None:
        """The id of the subscription on which a request has taken effect, if it has; its customer is locked.

        Raises:
            IdempotencyKeyReused: the request that did was another one.
        """
        change = await self.repository.change_of(request_key)
        if change is None:
            return None
        if change.terms != terms:
            raise IdempotencyKeyReused
        return change.subscription_id

    async def keep(self, request_key: UUID, subscription_id: UUID, terms: Mapping[str, Any]) -> None:
        """Takes note that a request takes effect with this transaction."""
        change = SubscriptionChange(
            id=new_id(),
            subscription_id=subscription_id,
            request_key=request_key,
            terms=terms,
            created_at=self.clock.now(),
        )
        await self.repository.add_change(change)
