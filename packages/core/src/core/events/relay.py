"""Takes events from the outbox to their handlers; any number of replicas may run it at once."""

import asyncio
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from typing import Any

import structlog
from opentelemetry.trace import Tracer

from core.cancellation import is_ending, settled
from core.database import Database, DatabaseUnavailable
from core.events.event import Event
from core.events.handlers import Subscription
from core.events.leases import Claimed, Leases
from core.events.spans import process_span
from core.tracing import NO_TRACER, record_failure

# At once, so that a handler that hangs holds back its own subject alone.
DELIVERIES_MAX = 50
# Fewer than a pool has, so that requests find a connection, too.
CONNECTIONS_MAX = 4
HANDLER_TIMEOUT_S = 30
POLL_S_MIN, POLL_S_MAX = 0.1, 1.0
ATTEMPTS_MAX = 12

log = structlog.get_logger("core.events")


@dataclass(frozen=True, slots=True)
class Relay:
    """Delivers the events of one service to its handlers."""

    service: str
    database: Database
    subscriptions: Sequence[Subscription]
    resources: Any
    awake: asyncio.Event = field(default_factory=asyncio.Event)
    tracer: Tracer = NO_TRACER
    _connections: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CONNECTIONS_MAX), init=False)

    @property
    def _leases(self) -> Leases:
        return Leases(self.service, self.database, self._connections)

    async def run(self) -> None:
        """Delivers until cancelled; polls less often while idle, and is woken by a commit in this process."""
        pause_s = POLL_S_MIN
        running: set[asyncio.Task[None]] = set()

        def ended(task: asyncio.Task[None]) -> None:
            running.discard(task)
            # The next event of its subject may be due, or one that found no place.
            self.awake.set()

        async with asyncio.TaskGroup() as deliveries:
            while True:
                self.awake.clear()
                claimed = await self._claim_some(DELIVERIES_MAX - len(running))
                for each in claimed:
                    task = deliveries.create_task(self._deliver(each))
                    running.add(task)
                    task.add_done_callback(ended)
                pause_s = POLL_S_MIN if claimed else min(pause_s * 2, POLL_S_MAX)
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause_s):
                        await self.awake.wait()

    async def _claim_some(self, free: int) -> list[Claimed]:
        # Half of the places at a time: a claim costs as much as several deliveries.
        if free < DELIVERIES_MAX / 2:
            return []
        try:
            return await self._leases.claim(free)
        except DatabaseUnavailable as failed:
            # Not the supervisor's, whose restart would cancel what is being delivered.
            log.warning("events wait for the database", cause=str(failed.__cause__))
            await asyncio.sleep(POLL_S_MAX)
            return []

    async def _deliver(self, claimed: Claimed) -> None:
        with process_span(self.tracer, claimed.event.type, claimed.event.id, claimed.traceparent):
            await self._attempt(claimed)

    async def _attempt(self, claimed: Claimed) -> None:
        if claimed.attempts > ATTEMPTS_MAX:
            # Nobody lived to say how the last attempt ended: this event ends processes.
            await self._give_up(claimed, None)
            return
        try:
            await self._handle(claimed.event)
        except (Exception, asyncio.CancelledError) as failed:
            if is_ending():
                await settled(self._leases.give_back([claimed]))
                return
            event_id = str(claimed.event.id)
            log.exception(
                "event not handled", event_type=claimed.event.type, event_id=event_id, attempts=claimed.attempts
            )
            record_failure(failed)
            if claimed.attempts == ATTEMPTS_MAX:
                await self._give_up(claimed, failed)
            else:
                await settled(self._leases.retry(claimed, failed))
        else:
            await settled(self._leases.succeed(claimed))

    async def _handle(self, event: Event) -> None:
        for subscription in self.subscriptions:
            if subscription.type == event.type:
                async with self._connections if subscription.in_transaction else nullcontext():
                    async with asyncio.timeout(HANDLER_TIMEOUT_S):
                        await subscription.handle(event, self.database, self.resources)

    async def _give_up(self, claimed: Claimed, failure: BaseException | None) -> None:
        log.error("event is dead", event_type=claimed.event.type, event_id=str(claimed.event.id))
        await settled(self._leases.give_up(claimed, failure))
