"""How the biller is built."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from billing.biller.repository import DueQueries
from billing.biller.service import Biller, Meters
from billing.collection.dependencies import build_unattended
from billing.subscriptions.dependencies import build_renewing
from billing.transactions import own_transactions
from core.lifespan import Supervisor, begun
from core.resources import Resources

# What one process can use: more wait for the interpreter, and for the next invoice number.
WORKERS_MAX = 4


def build(resources: Resources) -> Biller:
    """The biller, with transactions of its own."""
    return Biller(
        due=DueQueries(resources.database.reads),
        begin=own_transactions(build_renewing, resources),
        unattended=build_unattended(resources),
        meters=resources[Meters],
        clock=resources.clock,
        # Requests find a connection, too.
        workers=max(1, min(WORKERS_MAX, resources.database.pool.size() // 2)),
    )


@asynccontextmanager
async def open_meters(resources: Resources) -> AsyncGenerator[Meters]:
    """What the biller has done and what waits for it, measured in the background."""
    meters = Meters(DueQueries(resources.database.reads), resources.metrics, resources.clock)
    async with Supervisor() as tasks:
        tasks.start("biller's backlog", meters.run, after=begun)
        yield meters
