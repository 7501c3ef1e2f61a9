"""A provider that is given so long to answer: nobody waits for one that hangs, and nothing is believed of it."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.payments.provider.port import Card, Movement, News, Outcome, Provider, RefundOutcome
from core.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Bounded:
    """The provider `inner`, within a time limit.

    What moves money may have moved it when the time is up, or the connection lost: its outcome is unknown, and whoever
    asked for it asks again under the same key. What moves none is asked again as a whole.
    """

    inner: Provider
    timeout_s: float

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def moves_money(self) -> bool:
        return self.inner.moves_money

    async def attach(self, token: str, *, method_id: UUID) -> Card:
        async with self._or_unavailable():
            return await self.inner.attach(token, method_id=method_id)

    async def detach(self, reference: str) -> None:
        async with self._or_unavailable():
            await self.inner.detach(reference)

    async def charge(self, payment_id: UUID, *, amount_minor: int, currency: str, reference: str) -> Outcome:
        try:
            async with asyncio.timeout(self.timeout_s):
                return await self.inner.charge(
                    payment_id, amount_minor=amount_minor, currency=currency, reference=reference
                )
        # What is out of time is one, too.
        except OSError:
            return Outcome("unknown")

    async def fetch(self, payment_id: UUID) -> Outcome | None:
        async with self._or_unavailable():
            return await self.inner.fetch(payment_id)

    async def refund(self, refund_id: UUID, *, payment_id: UUID, amount_minor: int, currency: str) -> RefundOutcome:
        try:
            async with asyncio.timeout(self.timeout_s):
                return await self.inner.refund(
                    refund_id, payment_id=payment_id, amount_minor=amount_minor, currency=currency
                )
        except OSError:
            return RefundOutcome("processing")

    async def list_since(self, since: datetime, *, after: UUID | None = None, limit: int = 500) -> Sequence[Movement]:
        async with self._or_unavailable():
            return await self.inner.list_since(since, after=after, limit=limit)

    def parse_webhook(self, raw: bytes, headers: Mapping[str, str]) -> News:
        return self.inner.parse_webhook(raw, headers)

    @asynccontextmanager
    async def _or_unavailable(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self.timeout_s):
                yield
        except OSError as failed:
            raise Unavailable from failed
