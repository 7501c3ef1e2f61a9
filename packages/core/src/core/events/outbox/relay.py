"""Takes events from the outbox to whom they concern; any number of replicas may run it at once."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import structlog

from core.database import Database, DatabaseUnavailable
from core.events.bus.protocol import Bus, BusUnavailable
from core.events.event import Event
from core.events.inbox import Inbox
from core.events.queues import OUTBOX, Claimed, Leases, recorded
from core.events.queues.polling import polling

# At once: a claim costs as much as publishing many.
EVENTS_MAX = 200
PUBLISH_TIMEOUT_S = 20

log = structlog.get_logger("core.events")


@dataclass(frozen=True, kw_only=True)
class Relay:
    """Stores events of one service in its own inbox as far as it handles them itself, and publishes them."""

    service: str
    database: Database
    # What only a replica of another version knows waits for that one: here it would be sent to nobody.
    types: Collection[str]
    own: Inbox
    # None: nobody else is told of these.
    bus: Bus | None
    awake: asyncio.Event

    @cached_property
    def _leases(self) -> Leases:
        known = replace(OUTBOX, where=lambda rows: rows.c.type.in_(sorted(self.types)))
        return Leases(self.service, self.database, known)

    async def run(self) -> None:
        """Publishes until cancelled; polls less often while idle, and is woken by a commit in this process."""
        await polling(self._turn, self.awake)

    async def _turn(self) -> bool:
        claimed = await self._leases.claim(EVENTS_MAX)
        if not claimed:
            return False
        # There may be more: a claim has its limit, and what follows an event that is taken alone waits for it.
        self.awake.set()
        if claimed[0].is_abandoned:
            await recorded(partial(self._leases.abandon, claimed[0]))
        else:
            await self._publish(claimed)
        return True

    async def _publish(self, claimed: Sequence[Claimed]) -> bool:
        """Publishes all at once; after a failure that no outage explains one by one, so that it has a culprit."""
        try:
            await self._pass_on([each.event for each in claimed])
        except (BusUnavailable, DatabaseUnavailable, asyncio.CancelledError):
            await recorded(partial(self._leases.give_back, claimed))
            raise
        except Exception as failed:
            # Whatever it is: one event that cannot be published must not hold back all others.
            if len(claimed) > 1:
                await self._publish_one_by_one(claimed)
            else:
                [culprit] = claimed
                log.exception("event not published", event_type=culprit.event.type, event_id=str(culprit.event.id))
                await recorded(partial(self._leases.fail, culprit, failed))
            return False
        await recorded(partial(self._leases.succeed, claimed))
        return True

    async def _publish_one_by_one(self, claimed: Sequence[Claimed]) -> None:
        """Behind a culprit its subject waits; what an outage or a stop leaves is given back."""
        rest = list(claimed)
        try:
            while rest:
                first = rest.pop(0)
                if not await self._publish([first]):
                    behind = [each for each in rest if each.lane == first.lane]
                    rest = [each for each in rest if each.lane != first.lane]
                    await recorded(partial(self._leases.give_back, behind))
        finally:
            await recorded(partial(self._leases.give_back, rest))

    async def _pass_on(self, events: Sequence[Event]) -> None:
        try:
            async with asyncio.timeout(PUBLISH_TIMEOUT_S):
                await self.own.receive(events)
                if self.bus is not None:
                    await self.bus.publish(events)
        except TimeoutError as late:
            raise BusUnavailable(f"it took more than {PUBLISH_TIMEOUT_S} s") from late
