"""Reads the stream into the inbox of one service, for as long as it is this replica's turn."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid4

import structlog
from nats.aio.msg import Msg
from nats.js.api import StreamInfo

from core.backoff import backoff_s
from core.cancellation import settled
from core.database import DatabaseUnavailable
from core.events.bus.nats.connection import Connection, ConnectionLost
from core.events.bus.nats.delivery import Delivered, Delivery, delivering
from core.events.bus.nats.link import Link
from core.events.bus.nats.stream import Stream
from core.events.bus.protocol import TURN, BusUnavailable, Reader, Reading, Turn
from core.events.cloudevents import NotAnEvent, decode
from core.events.event import Event

RENEW_S = TURN.total_seconds() / 3
# How soon a replica notices that another one has stopped.
POLL_S = 1.0
RETRY_S_MIN, RETRY_S_MAX = 0.1, 5.0

log = structlog.get_logger("core.events")


class _NotOurTurn(Exception):
    """Another replica reads."""


@dataclass
class Feed:
    """The reading of one replica of one service."""

    link: Link
    stream: Stream
    reader: Reader
    _id: UUID = field(default_factory=uuid4, init=False)
    _failures: int = field(default=0, init=False)
    # Why it is not read, as the log was told.
    _causes: set[str] = field(default_factory=set, init=False)
    # When the stream was certainly the one that the position is of, until it has been compared with what there is.
    _last_at: datetime | None = field(default=None, init=False)
    _position: int = field(default=0, init=False)

    async def run(self) -> None:
        """Reads until cancelled."""
        try:
            while True:
                await self._attempt()
        finally:
            await settled(self._let_go())

    async def _attempt(self) -> None:
        try:
            await self._read(await self.link.up())
        except _NotOurTurn:
            await asyncio.sleep(POLL_S)
        except (BusUnavailable, DatabaseUnavailable) as failed:
            # Another replica may be luckier.
            await settled(self._let_go())
            if not isinstance(failed, ConnectionLost):
                await self._pause(failed)

    async def _pause(self, failed: Exception) -> None:
        self._failures += 1
        cause = str(failed.__cause__ if isinstance(failed, DatabaseUnavailable) else failed)
        if cause not in self._causes:
            log.warning("events are not read", stream=self.stream.name, service=self.reader.service, cause=cause)
            self._causes.add(cause)
        await asyncio.sleep(backoff_s(self._failures, first_s=RETRY_S_MIN, max_s=RETRY_S_MAX))

    async def _let_go(self) -> None:
        with suppress(DatabaseUnavailable):
            await self.reader.end_turn(self.stream.name, by=self._id)

    async def _read(self, connection: Connection) -> None:
        turn = await self._take_turn()
        await self._begin(await self.stream.ensure(connection), turn)
        subjects = {self.stream.subject(source, type_) for source, type_ in self.reader.foreign}
        name = self.reader.service
        async with delivering(connection, self.stream, subjects, reader=name, after=self._position) as delivery:
            await self._store_all(delivery)

    async def _store_all(self, delivery: Delivery) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            renew_at = clock() + RENEW_S
            while clock() < renew_at:
                await self._store_next(delivery)
            await self._take_turn()

    async def _store_next(self, delivery: Delivery) -> None:
        delivered = await delivery.take(timeout_s=RENEW_S)
        if delivered is not None:
            await self._store(delivered)
        if self._failures:
            log.info("events are read again", stream=self.stream.name, service=self.reader.service)
            self._failures = 0
            self._causes.clear()

    async def _take_turn(self) -> Turn:
        turn = await settled(self.reader.take_turn(self.stream.name, by=self._id))
        if turn is None:
            raise _NotOurTurn
        return turn

    async def _begin(self, info: StreamInfo, turn: Turn) -> None:
        """Compares what is stored of the stream with what there is."""
        self._position = position = turn.position
        self._last_at = self._last_at or turn.last_at
        first, last = info.state.first_seq, info.state.last_seq
        is_another = self._last_at is not None and info.created is not None and info.created > self._last_at
        told_of = {"stream": self.stream.name, "service": self.reader.service, "position": position}
        if position > last or (position > 0 and is_another):
            log.error("the stream is another one than before: it is read from its start", last=last, **told_of)
            await self._move(0, [])
        elif 0 < position < first - 1:
            log.error("events expired unread: a replay is needed", expired_max=first - 1 - position, **told_of)
            await self._move(first - 1, [])
        self._last_at = None

    async def _store(self, delivered: Delivered) -> None:
        events, refused = [], []
        for message in delivered.messages:
            try:
                events.append(self._event(message))
            except NotAnEvent as wrong:
                refused.append((message, wrong))
        await self._move(delivered.through, events)
        # Once, that is when it is known that they do not come again.
        for message, wrong in refused:
            sequence = message.metadata.sequence.stream
            log.error("no event: passed over", stream=self.stream.name, sequence=sequence, cause=str(wrong))

    def _event(self, message: Msg) -> Event:
        event = decode(message.data)
        if message.subject != self.stream.subject(event.source, event.type):
            # What a server lets a service publish, it judges by the subject.
            raise NotAnEvent(f"it came as {message.subject}")
        return event

    async def _move(self, through: int, events: list[Event]) -> None:
        reading = Reading(self.stream.name, after=self._position, through=through)
        if not await self.reader.receive(events, reading=reading):
            raise _NotOurTurn
        self._position = through
