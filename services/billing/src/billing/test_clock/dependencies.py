"""Who may read and move the business clock, and how that is built."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends

from billing.biller import dependencies as biller
from billing.clock import BusinessClock
from billing.payments.provider import Provider
from billing.test_clock.repository import OffsetQueries, OffsetRepository
from billing.test_clock.service import BusinessTime, Level, Moving, refuse_where_money_moves
from billing.transactions import own_transactions
from core.dependencies import ResourcesDep, Session, requires
from core.lifespan import Supervisor
from core.resources import Resources


def build(resources: Resources) -> BusinessTime:
    """The business clock, moved in transactions of its own."""
    clock = resources[BusinessClock]
    begin = own_transactions(_build_moving, resources)
    return BusinessTime(begin, _level(resources, clock), biller.build(resources), clock)


@asynccontextmanager
async def open_clock(resources: Resources) -> AsyncGenerator[BusinessClock]:
    """The clock of the service, where it was when the last process ended, and level with the other replicas.

    Raises:
        MoneyMoves: the provider moves money.
        DatabaseUnavailable: the database does not answer.
    """
    refuse_where_money_moves(resources[Provider])
    assert isinstance(resources.clock, BusinessClock)  # noqa: S101 - billing.app has put it there
    level = _level(resources, resources.clock)
    await level.refresh()
    async with Supervisor() as tasks:
        tasks.start("test clock", level.run)
        yield resources.clock


def _build_moving(session: Session, resources: Resources) -> Moving:
    return Moving(OffsetRepository(session), resources.events(session), resources[BusinessClock])


def _level(resources: Resources, clock: BusinessClock) -> Level:
    return Level(OffsetQueries(resources.database.reads), clock)


async def _build(resources: ResourcesDep) -> BusinessTime:
    return build(resources)


may_read = Depends(requires("billing:read"))
may_write = Depends(requires("billing:write"))
BusinessTimeDep = Annotated[BusinessTime, Depends(_build)]
