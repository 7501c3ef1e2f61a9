"""What the biller has done, and what waits for it, as metrics."""

import asyncio
from collections.abc import Mapping

from billing.biller.models import Kind
from billing.biller.repository import DueQueries
from billing.payments.models import Payment
from core.clock import Clock
from core.database import DatabaseUnavailable
from core.metrics import Metrics

INTERVAL_S = 15.0


class Meters:
    """The counts of this replica, and the backlog, which every replica measures; none while the database is away."""

    def __init__(self, due: DueQueries, metrics: Metrics, clock: Clock) -> None:
        self._due = due
        self._clock = clock
        self._waiting: Mapping[tuple[str, ...], float] = {}
        self._oldest_s: Mapping[tuple[str, ...], float] = {}
        self._invoices = metrics.counter("biller_invoices_total", "Invoices that the biller has issued for periods.")
        self._attempts = metrics.counter(
            "biller_attempts_total",
            "Payments that the biller has begun, by what became of them at once (succeeded, failed, requires_action, "
            "processing).",
            "status",
        )
        self._failures = metrics.counter(
            "biller_failures_total", "What the biller could not do, and will try again, by kind.", "kind"
        )
        metrics.gauge(
            "biller_due",
            "What waits for the biller, by kind (expiries, retries, periods).",
            lambda: self._waiting,
            "kind",
        )
        metrics.gauge(
            "biller_oldest_due_age_seconds",
            "How long what has waited longest for the biller has done so.",
            lambda: self._oldest_s,
        )

    def billed(self) -> None:
        """An invoice was issued."""
        self._invoices.add()

    def attempted(self, payment: Payment) -> None:
        """A payment was begun, and the provider asked."""
        self._attempts.add(status=payment.status)

    def failed(self, kind: Kind) -> None:
        """Something could not be done."""
        self._failures.add(kind=kind.value)

    async def run(self) -> None:
        """Measures until cancelled."""
        while True:
            await self.measure()
            await asyncio.sleep(INTERVAL_S)

    async def measure(self) -> None:
        """Measures once."""
        try:
            backlog = await self._due.backlog(self._clock.now())
        except DatabaseUnavailable:
            # The readiness check says so; what was true before is not known to be true any more.
            self._waiting, self._oldest_s = {}, {}
            return
        self._waiting = {(kind.value,): getattr(backlog, kind.value) for kind in Kind}
        self._oldest_s = {(): backlog.oldest_s}
