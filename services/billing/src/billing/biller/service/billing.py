"""How the biller works off what is due: some at a time, each in transactions of its own.

Whatever runs beside it (another biller, a request) does the same work at most once: each transaction locks the
customer, and looks whether there is still something to do. A process that dies leaves what it had not committed as it
was, and a payment whose outcome it did not see to the reminder that was committed with it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial

import structlog

from billing.biller.models import Backlog, Due, Kind
from billing.biller.repository import DueQueries
from billing.biller.service.meters import Meters
from billing.biller.service.progress import Progress
from billing.collection.service import Unattended
from billing.subscriptions.service import Renewing
from core.clock import Clock
from core.database import DatabaseUnavailable

BATCH = 500

Work = Callable[[Due], Awaitable[None]]
log = structlog.get_logger("billing.biller")


@dataclass(frozen=True, slots=True)
class Deadline:
    """From when on a run begins nothing more, by the clock of the event loop."""

    at_s: float

    @classmethod
    def after(cls, within_s: float) -> "Deadline":
        return cls(asyncio.get_running_loop().time() + within_s)

    def has_passed(self) -> bool:
        return asyncio.get_running_loop().time() >= self.at_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Biller:
    """Bills what is due; `begin` opens a transaction of its own."""

    due: DueQueries
    begin: Callable[[], AbstractAsyncContextManager[Renewing]]
    unattended: Unattended
    meters: Meters
    clock: Clock
    # How many at a time: fewer than there are connections.
    workers: int

    async def run(self, *, within_s: float) -> None:
        """Works off all that is due, or begins nothing more when the time is up: the next run goes on.

        Raises:
            DatabaseUnavailable: nothing can be done without.
        """
        deadline = Deadline.after(within_s)
        backlog = await self.backlog()
        for kind, work in self._kinds(deadline).items():
            progress = Progress(kind, getattr(backlog, kind.value))
            await self._work_off(kind, work, progress, deadline)
            progress.end()

    async def backlog(self) -> Backlog:
        """What waits."""
        return await self.due.backlog(self.clock.now())

    def _kinds(self, deadline: Deadline) -> Mapping[Kind, Work]:
        renew = partial(self._renew, deadline=deadline)
        return {Kind.EXPIRIES: self._expire, Kind.RETRIES: self._retry, Kind.PERIODS: renew}

    async def _work_off(self, kind: Kind, work: Work, progress: Progress, deadline: Deadline) -> None:
        after = None
        # On after the last one, done or not: what cannot be done does not keep the others waiting.
        while batch := await self.due.page(kind, now=self.clock.now(), after=after, limit=BATCH):
            waiting = iter(batch)
            try:
                async with asyncio.TaskGroup() as group:
                    for _ in range(self.workers):
                        group.create_task(self._attempt_each(waiting, work, progress, deadline))
            except* DatabaseUnavailable as failures:
                first = failures.exceptions[0]
                raise first from first.__cause__
            if deadline.has_passed():
                return
            after = (batch[-1].due_at, batch[-1].id)

    async def _attempt_each(self, waiting: Iterator[Due], work: Work, progress: Progress, deadline: Deadline) -> None:
        while not deadline.has_passed() and (due := next(waiting, None)) is not None:
            progress.step(is_done=await self._attempt(due, work, progress.kind))

    async def _attempt(self, due: Due, work: Work, kind: Kind) -> bool:
        try:
            await work(due)
        except DatabaseUnavailable:
            raise
        except Exception:
            # Whatever is wrong with this one: the others are billed, and the next run tries it again.
            self.meters.failed(kind)
            log.exception("billing failed", kind=kind.value, id=str(due.id))
            return False
        return True

    async def _expire(self, due: Due) -> None:
        async with self.begin() as renewing:
            await renewing.expire(due.id, customer_id=due.customer_id)

    async def _retry(self, due: Due) -> None:
        payment = await self.unattended.retry(due.id)
        if payment is not None:
            self.meters.attempted(payment)

    async def _renew(self, due: Due, *, deadline: Deadline) -> None:
        """Bills all periods that have passed, one after the other, for as long as each is paid."""
        is_due = True
        while is_due:
            async with self.begin() as renewing:
                renewal = await renewing.renew(due.id, customer_id=due.customer_id)
            if renewal is None:
                return
            self.meters.billed()
            if renewal.payment is not None:
                self.meters.attempted(await self.unattended.collect(renewal.payment))
            is_due = renewal.is_due_again and not deadline.has_passed()
