"""Every query on what the provider has told."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from billing.tables import LOCKED
from billing.webhooks.models import ProviderEvent


@dataclass(frozen=True, slots=True)
class WebhookRepository:
    """Reads and writes, in the transaction of a session."""

    session: AsyncSession

    async def add(self, values: Mapping[str, Any]) -> bool:
        """Stores an event; False if it is stored already."""
        stored = insert(ProviderEvent).values(**values).on_conflict_do_nothing().returning(ProviderEvent.event_id)
        return await self.session.scalar(stored) is not None

    async def locked(self, provider: str, event_id: str) -> ProviderEvent | None:
        """The event; nobody else applies it until the transaction ends."""
        return await self.session.get(ProviderEvent, (provider, event_id), with_for_update=LOCKED)

    async def flush(self) -> None:
        await self.session.flush()

    async def forget(self, *, before: datetime, limit: int) -> int:
        """Deletes so many of those that came before an instant; how many there were."""
        key = (ProviderEvent.provider, ProviderEvent.event_id)
        old = select(*key).where(ProviderEvent.received_at < before).order_by(ProviderEvent.received_at).limit(limit)
        gone = await self.session.execute(delete(ProviderEvent).where(tuple_(*key).in_(old)).returning(key[0]))
        return len(gone.all())
