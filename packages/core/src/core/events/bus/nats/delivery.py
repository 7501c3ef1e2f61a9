"""The messages of a stream from a position on: in order, none left out, as soon as they are there."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import orjson
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, Header, StatusCode

from core.events.bus.nats.connection import Connection, outages
from core.events.bus.nats.stream import Stream
from core.events.bus.protocol import BusUnavailable

# What is asked for at once, and for how long it is waited for.
MESSAGES_MAX = 200
BYTES_MAX = 8 * 1024**2
REQUEST_S = 60
# How often the server says that it has nothing.
HEARTBEAT_S = 10
# After which it forgets a consumer that asks for nothing, and how long it is asked to do so at once.
FORGET_S, END_TIMEOUT_S = 2 * REQUEST_S, 1

# How the server ends a request: with as many messages, or as many bytes, as were asked for.
IS_FULL = ("Batch Completed", "Message Size Exceeds MaxBytes")
# In which the server should have said something.
SILENCE_S_MAX = 2.5 * HEARTBEAT_S


@dataclass(frozen=True, slots=True)
class Delivered:
    """What came; the stream has been looked through up to `through`."""

    messages: Sequence[Msg]
    through: int


class Delivery:
    """What one consumer brings, which is ours alone."""

    def __init__(self, connection: Connection, stream: Stream, consumer: str, *, after: int) -> None:
        self.consumer = consumer
        self.inbox = connection.client.new_inbox()
        self._connection = connection
        self._request = f"$JS.API.CONSUMER.MSG.NEXT.{stream.name}.{consumer}"
        self._through = after
        self._count = 0
        # The request that is under way, by where it is answered, and how many messages may still come of it.
        self._number = 0
        self._asked = 0
        self._came: list[Msg] = []
        self._has_come = asyncio.Event()
        self._silent_s = 0.0

    async def receive(self, message: Msg) -> None:
        """Called with each message that comes."""
        self._came.append(message)
        self._has_come.set()

    async def take(self, *, timeout_s: float) -> Delivered | None:
        """What is new, as soon as something is; None if nothing is.

        Raises:
            BusUnavailable: something is missing, or nothing more will come.
        """
        if self._asked == 0:
            await self._ask()
        try:
            await self._connection.unless_lost(self._has_come.wait(), timeout_s=timeout_s)
        except TimeoutError:
            # Counted, not measured: a process that was stopped for a while has not listened.
            self._silent_s += timeout_s
            if self._silent_s > SILENCE_S_MAX:
                raise BusUnavailable("the server says nothing of the consumer") from None
            return None
        came, self._came = self._came, []
        self._has_come.clear()
        self._silent_s = 0.0
        before = self._through
        with outages():
            messages = [message for message in came if not self._heed(message)]
        return Delivered(messages, self._through) if self._through > before else None

    async def _ask(self) -> None:
        # The largest message that there can be must fit in.
        bytes_max = max(BYTES_MAX, 2 * self._connection.client.max_payload)
        request = {
            "batch": MESSAGES_MAX,
            "max_bytes": bytes_max,
            "expires": int(REQUEST_S * 10**9),
            "idle_heartbeat": int(HEARTBEAT_S * 10**9),
        }
        self._number += 1
        asking = self._connection.client.publish(self._request, orjson.dumps(request), reply=self._reply)
        await self._connection.unless_lost(asking)
        self._asked = MESSAGES_MAX

    @property
    def _reply(self) -> str:
        return f"{self.inbox}.{self._number}"

    def _heed(self, message: Msg) -> bool:
        """Whether it is a word of the server, not a message of the stream."""
        if message.reply:
            sequence = message.metadata.sequence
            self._count += 1
            self._expect(sequence.consumer)
            self._asked -= 1
            self._through = sequence.stream
            return False
        headers = message.headers or {}
        status, description = headers.get(Header.STATUS), headers.get(Header.DESCRIPTION, "")
        if status == StatusCode.CONTROL_MESSAGE:
            self._expect(int(headers[Header.LAST_CONSUMER]))
            # What is not for us was looked through, too: it may expire unread.
            self._through = int(headers[Header.LAST_STREAM])
        elif status == StatusCode.REQUEST_TIMEOUT or description in IS_FULL:
            # It may be said of a request that was over already.
            self._asked = 0 if message.subject == self._reply else self._asked
        else:
            raise BusUnavailable(f"the consumer has ended: {status} {description}")
        return True

    def _expect(self, count: int) -> None:
        if count != self._count:
            raise BusUnavailable(f"{abs(count - self._count)} messages are missing")


@asynccontextmanager
async def delivering(
    connection: Connection, stream: Stream, subjects: Collection[str], *, reader: str, after: int
) -> AsyncIterator[Delivery]:
    """The messages of these subjects that stand after that position.

    Raises:
        BusUnavailable: there is no consumer.
    """
    delivery = Delivery(connection, stream, f"{reader}-{secrets.token_hex(4)}", after=after)
    config = ConsumerConfig(
        name=delivery.consumer,
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=after + 1,
        # We remember how far we are, in the transaction that stores what came.
        ack_policy=AckPolicy.NONE,
        filter_subjects=sorted(subjects),
        inactive_threshold=FORGET_S,
        num_replicas=1,
        mem_storage=True,
    )
    # No limits: what is asked for is bounded, and a message too many would be dropped.
    limits = {"pending_msgs_limit": 0, "pending_bytes_limit": 0}
    subscribing = connection.client.subscribe(f"{delivery.inbox}.*", cb=delivery.receive, **limits)
    subscription = await connection.unless_lost(subscribing)
    try:
        await connection.unless_lost(connection.jetstream.add_consumer(stream.name, config))
        yield delivery
    finally:
        with suppress(BusUnavailable, TimeoutError):
            async with asyncio.timeout(END_TIMEOUT_S):
                await connection.unless_lost(subscription.unsubscribe())
                await connection.unless_lost(connection.jetstream.delete_consumer(stream.name, delivery.consumer))
