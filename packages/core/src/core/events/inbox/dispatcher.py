"""Takes events from the inbox to their handlers; any number of replicas may run it at once."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import groupby
from typing import Any

import structlog
from opentelemetry.trace import Tracer
from sqlalchemy import tuple_

from core.cancellation import is_ending
from core.errors import Unavailable
from core.events.declarations.handlers import Subscription
from core.events.inbox.effects import Effects, NotBegun
from core.events.inbox.receiving import Inbox
from core.events.queues import INBOX, Claimed, Leases, recorded
from core.events.queues.leases import LEASE
from core.events.queues.polling import polling
from core.events.spans import process_span
from core.tracing import NO_TRACER, record_failure

# At once, so that a handler that hangs holds back its own subject alone.
DELIVERIES_MAX = 50
# Between claims for less than half of the places: one costs as much as several deliveries.
PAUSE_S = 0.05
# Fewer than a pool has, so that requests find a connection, too.
TRANSACTIONS_MAX = 4
HANDLER_TIMEOUT_S = 30

log = structlog.get_logger("core.events")


@dataclass(kw_only=True, eq=False)
class Dispatcher:
    """Delivers the events in the inbox of one service to its handlers, in order for each handler and subject."""

    inbox: Inbox
    resources: Any
    tracer: Tracer = NO_TRACER
    _running: set[asyncio.Task[None]] = field(default_factory=set, init=False)
    # Whether the last claim found an event that may end the process: what runs beside it would be attempted in vain.
    _is_guarded: bool = field(default=False, init=False)
    _pauses_until: float = field(default=0, init=False)
    _transactions: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(TRANSACTIONS_MAX), init=False)
    # Of their own, so that an outcome does not wait for handlers.
    _statements: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1), init=False)

    @cached_property
    def _leases(self) -> Leases:
        service = self.inbox.service
        # A replica of another version may have handlers that are not here.
        here = [(each.consumer, each.type, each.source or service) for each in self.inbox.subscriptions]
        queue = replace(INBOX, where=lambda rows: tuple_(rows.c.consumer, rows.c.type, rows.c.source).in_(here))
        return Leases(service, self.inbox.database, queue)

    async def run(self) -> None:
        """Delivers until cancelled; polls less often while idle, and is woken by what arrives in this process."""
        async with asyncio.TaskGroup() as deliveries:

            async def turn() -> bool:
                return await self._turn(deliveries)

            await polling(turn, self.inbox.awake)

    async def _turn(self, deliveries: asyncio.TaskGroup) -> bool:
        free = self._free()
        if not free:
            return True
        claimed = await self._leases.claim(free)
        self._is_guarded = any(each.is_suspect for each in claimed)
        if self._is_guarded and self._running:
            await self._record(partial(self._leases.give_back, claimed))
            return True
        for _, lane in groupby(sorted(claimed, key=lambda each: (each.lane, each.position)), lambda each: each.lane):
            events = list(lane)
            task = deliveries.create_task(self._work_off(events), name=f"dispatcher: {events[0].consumer}")
            self._running.add(task)
            task.add_done_callback(self._ended)
        return bool(claimed)

    def _free(self) -> int:
        """How many events to claim now; none while an event that may end the process runs, or waits to be alone."""
        now, free = asyncio.get_running_loop().time(), DELIVERIES_MAX - len(self._running)
        is_early = free < DELIVERIES_MAX / 2 and now < self._pauses_until
        if is_early or (self._is_guarded and self._running):
            return 0
        self._pauses_until = now + PAUSE_S
        return free

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        # The next event of its lane may be due, or one that found no place.
        self.inbox.awake.set()

    async def _work_off(self, lane: Sequence[Claimed]) -> None:
        """One after the other; where one fails, or the lease nears its end, the rest is given back and waits."""
        clock = asyncio.get_running_loop().time
        # What a handler and its timeout leave of the lease, and half of that for the statements around it.
        begins_until = clock() + (LEASE.total_seconds() - HANDLER_TIMEOUT_S) / 2
        waiting = deque(lane)
        try:
            while waiting:
                subscription = self._subscription(waiting[0])
                # To wait for a transaction is not to fail: no limit of the handler's has begun.
                async with self._transactions if subscription.in_transaction else nullcontext():
                    if clock() > begins_until or not await self._deliver(waiting.popleft(), subscription):
                        return
        finally:
            if waiting:
                await self._record(partial(self._leases.give_back, waiting))

    def _subscription(self, claimed: Claimed) -> Subscription:
        return next(
            each
            for each in self.inbox.subscriptions
            if each.consumer == claimed.consumer and each.takes(claimed.event, service=self.inbox.service)
        )

    async def _deliver(self, claimed: Claimed, subscription: Subscription) -> bool:
        with process_span(self.tracer, claimed.event, claimed.consumer):
            return await self._attempt(claimed, subscription)

    async def _attempt(self, claimed: Claimed, subscription: Subscription) -> bool:
        """Whether the next one of the lane may follow."""
        if claimed.is_abandoned:
            await self._record(partial(self._leases.abandon, claimed))
            return True
        effects = Effects(self.inbox.database, self.resources, self._statements)
        handle = effects.once if subscription.in_transaction else effects.on
        try:
            await handle(claimed, subscription, timeout_s=HANDLER_TIMEOUT_S)
        except (Exception, asyncio.CancelledError) as failed:
            if is_ending() or isinstance(failed, NotBegun):
                await self._record(partial(self._leases.give_back, [claimed]))
                return False
            told = {"event_type": claimed.event.type, "event_id": str(claimed.event.id), "consumer": claimed.consumer}
            if isinstance(failed, Unavailable):
                _tell_of_an_outage(failed, **told)
            else:
                log.exception("event not handled", attempts=claimed.attempts, **told)
            record_failure(failed)
            await self._record(partial(self._leases.fail, claimed, failed))
            return False
        return True

    async def _record(self, outcome: Callable[[], Awaitable[None]]) -> None:
        async def in_turn() -> None:
            async with self._statements:
                await outcome()

        await recorded(in_turn)


def _tell_of_an_outage(failed: Unavailable, **event: str) -> None:
    # Of thousands of events, again and again: a line, no traceback. The types alone: a text may quote an address.
    cause = type(failed.__cause__).__name__ if failed.__cause__ else failed.code
    log.warning("event waits for what is away", failure=type(failed).__name__, cause=cause, **event)
