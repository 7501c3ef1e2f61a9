"""Compares the books every day, and says what differs."""

from datetime import timedelta

import structlog

from billing.reconciliation.dependencies import LastFound, build
from core.jobs import Jobs
from core.resources import Resources

jobs = Jobs()
log = structlog.get_logger("billing.reconciliation")

# As long as an invoice is collected, and some more; the command compares what is older.
PERIOD = timedelta(days=35)


@jobs.every(timedelta(days=1), timeout=timedelta(hours=1))
async def reconcile_books(resources: Resources) -> None:
    """Compares what was begun in the last weeks; differences wait for somebody, they are no failure of the job."""
    report = await build(resources).run(resources.clock.now() - PERIOD)
    for each in report.differences:
        log.error("the books differ", what=each.what, about=each.about, theirs=each.theirs, ours=each.ours)
    counts = {"compared": report.compared, "healed": report.healed, "under_way": report.under_way}
    log.info("books reconciled", since=report.since.isoformat(), differences=report.found, **counts)
    resources[LastFound].keep(report.found)
