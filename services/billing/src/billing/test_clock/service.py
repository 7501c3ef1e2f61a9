"""How the business clock is moved, and how every replica keeps up with it."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

import structlog

from billing.biller.models import Backlog
from billing.biller.service import Biller
from billing.clock import BusinessClock
from billing.payments.provider import Provider
from billing.test_clock.repository import OffsetQueries, OffsetRepository
from core.database import DatabaseUnavailable
from core.errors import FieldError, Invalid
from core.events import Events

# How much later another replica knows that the clock was moved.
REFRESH_INTERVAL_S = 1.0
# Ten years, with their leap days: a slip further would leave billing with decades of periods to bill.
AHEAD_MAX = timedelta(days=3653)
# Of the time that a handler has. The job goes on with what is left.
BILLS_FOR_S = 20

log = structlog.get_logger("billing.test_clock")


class MoneyMoves(Exception):
    """The business clock may not be moved where a provider moves money."""

    def __init__(self, provider: str) -> None:
        super().__init__(f"BILLING_TEST_CLOCK is on, and {provider} moves money: set it to false")


class ClockMovesForward(Invalid):
    """The business clock only moves forward."""

    code = "clock_moves_forward"

    def __init__(self, now: datetime) -> None:
        detail = f"It is {now:%Y-%m-%dT%H:%M:%SZ} already."
        super().__init__(detail, errors=(FieldError("#/to", self.code, detail),))


class ClockTooFarAhead(Invalid):
    """The business clock is ten years ahead of the system's at most."""

    code = "clock_too_far_ahead"

    def __init__(self, latest: datetime) -> None:
        detail = f"It can be moved to {latest:%Y-%m-%dT%H:%M:%SZ} at the latest."
        super().__init__(detail, errors=(FieldError("#/to", self.code, detail),))


@dataclass(frozen=True, slots=True)
class Moving:
    """What is written when the clock is moved: in one transaction."""

    repository: OffsetRepository
    events: Events
    clock: BusinessClock

    async def advance(self, to: datetime) -> timedelta:
        """Moves the clock to an instant, or up to a second further; gives how far ahead it is then.

        Raises:
            ClockMovesForward: it is later already.
            ClockTooFarAhead: the instant is more than ten years ahead.
        """
        stored = await self.repository.locked()
        host = self.clock.host.now()
        now = host + timedelta(seconds=stored.offset_s)
        if to <= now:
            raise ClockMovesForward(now)
        if to - host > AHEAD_MAX:
            raise ClockTooFarAhead(host + AHEAD_MAX)
        stored.offset_s = ceil((to - host).total_seconds())
        # In the order in which it was moved: one subject.
        await self.events.emit("test_clock.advanced", subject="test_clock", data={"offset_s": stored.offset_s})
        return timedelta(seconds=stored.offset_s)


@dataclass(frozen=True, slots=True)
class Level:
    """Keeps this replica's clock level with what the database has."""

    queries: OffsetQueries
    clock: BusinessClock

    async def refresh(self) -> None:
        """Takes over how far it was moved elsewhere, or before this process began.

        Raises:
            DatabaseUnavailable: it could not; what was known still is.
        """
        self.clock.move(timedelta(seconds=await self.queries.offset_s()))

    async def run(self) -> None:
        """Refreshes again and again until cancelled; waits for a database that is away."""
        waits = False
        while True:
            await asyncio.sleep(REFRESH_INTERVAL_S)
            try:
                await self.refresh()
            except DatabaseUnavailable as failed:
                if not waits:
                    log.warning("test clock waits", cause=str(failed.__cause__ or failed))
                waits = True
                continue
            if waits:
                log.info("test clock goes on")
            waits = False


@dataclass(frozen=True, slots=True)
class BusinessTime:
    """The business clock as it is read and moved; `begin` opens a transaction of its own."""

    begin: Callable[[], AbstractAsyncContextManager[Moving]]
    level: Level
    biller: Biller
    clock: BusinessClock

    async def advance(self, to: datetime) -> None:
        """Moves it: here at once, when that is committed; in other replicas within about a second.

        Raises:
            what `Moving.advance` raises.
        """
        async with self.begin() as moving:
            ahead = await moving.advance(to)
        self.clock.move(ahead)

    async def backlog(self) -> Backlog:
        """What waits for the biller."""
        return await self.biller.backlog()

    async def catch_up(self) -> None:
        """Bills what a move of the clock, made here or elsewhere, has made due."""
        await self.level.refresh()
        await self.biller.run(within_s=BILLS_FOR_S)


def refuse_where_money_moves(provider: Provider) -> None:
    """Accepts a provider that moves none.

    Raises:
        MoneyMoves: it does.
    """
    if provider.moves_money:
        raise MoneyMoves(provider.name)
