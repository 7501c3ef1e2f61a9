"""What is done with the books: they are added to, and read."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from billing.ledger.models import BalanceView, TransactionView
from billing.ledger.repository import LedgerQueries, LedgerRepository
from billing.ledger.rules import Posting, check_balanced
from core.clock import Clock
from core.ids import new_id


@dataclass(frozen=True, slots=True)
class Ledger:
    """Adds to the books, in the transaction of what it books."""

    repository: LedgerRepository
    clock: Clock

    async def post(self, *postings: Posting) -> None:
        """Books postings, in this order; one of nothing is nothing to book.

        Raises:
            UnbalancedError: one of them does not sum to zero.
        """
        booked = {new_id(): posting for posting in postings if posting.entries}
        for posting in booked.values():
            check_balanced(posting)
        if booked:
            await self.repository.add(booked, now=self.clock.now())


@dataclass(frozen=True, slots=True)
class LedgerViews:
    """The books as an accountant reads them."""

    queries: LedgerQueries

    async def page(
        self, filters: Mapping[str, Any], *, after: tuple[datetime, UUID] | None, limit: int
    ) -> list[TransactionView]:
        return await self.queries.page(filters, after, limit)

    async def balances(self) -> list[BalanceView]:
        return await self.queries.balances()
