"""How the books are compared, and what is kept of the last time."""

import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from billing.collection import dependencies as collection
from billing.payments.provider import Provider
from billing.reconciliation.repository import ReconciliationRepository
from billing.reconciliation.service import Books, Reconciliation
from billing.refunds import dependencies as refunds
from billing.transactions import own_transactions
from core.dependencies import Session
from core.resources import Resources

# Longer than a day: another replica has done it since.
_KEPT = timedelta(hours=25)


@dataclass(slots=True)
class LastFound:
    """How many differences this process has found last; nothing once it is old, or if it has not looked."""

    found: int | None = None
    at_s: float = 0.0

    def keep(self, found: int) -> None:
        """Takes note of what was found just now."""
        self.found, self.at_s = found, time.monotonic()

    def read(self) -> float | Mapping[tuple[str, ...], float]:
        """The value of the metric, if there is one."""
        is_old = time.monotonic() - self.at_s > _KEPT.total_seconds()
        return {} if self.found is None or is_old else self.found


def build(resources: Resources) -> Reconciliation:
    """Reconciliation, in transactions of its own."""
    return Reconciliation(own_transactions(_build_books, resources), resources[Provider], resources.clock)


def _build_books(session: Session, resources: Resources) -> Books:
    return Books(
        repository=ReconciliationRepository(session),
        collection=collection.build(session, resources),
        refunds=refunds.build(session, resources),
    )


@asynccontextmanager
async def open_last_found(resources: Resources) -> AsyncGenerator[LastFound]:
    """What was found last, shown among the metrics."""
    last = LastFound()
    resources.metrics.gauge(
        "reconciliation_differences",
        "What the provider's books and ours said otherwise, by the replica that compared them last.",
        last.read,
    )
    yield last
