"""Hands events to the stream, and knows of each that the server has it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from nats.errors import MaxPayloadError
from nats.js.api import Header
from nats.js.errors import APIError, NoStreamResponseError

from core.events.bus.nats.connection import Connection
from core.events.bus.nats.stream import Stream
from core.events.cloudevents import CONTENT_TYPE, encode
from core.events.event import Event

# Together, they must reach the server and be answered within `ANSWER_TIMEOUT_S`, be they 512 KiB each.
SUBJECTS_AT_ONCE_MAX = 50
# "message size exceeds maximum allowed": an operator has bounded the stream.
TOO_LARGE = 10054


class EventRefused(Exception):
    """The server will never take this event: it is too large for it."""


@dataclass(frozen=True, slots=True)
class Publisher:
    """Publishes over one connection."""

    connection: Connection
    stream: Stream

    async def publish(self, events: Sequence[Event]) -> None:
        """Returns when all are stored: those of one subject one after the other, others at once.

        Raises:
            EventRefused: one of them is to blame.
            BusUnavailable: none of them is.
        """
        ordered = sorted(events, key=lambda event: event.subject)
        lanes = [list(lane) for _, lane in groupby(ordered, key=lambda event: event.subject)]
        places = asyncio.Semaphore(SUBJECTS_AT_ONCE_MAX)
        ended = await asyncio.gather(*(self._publish_lane(lane, places) for lane in lanes), return_exceptions=True)
        failures = [failure for failure in ended if failure is not None]
        # An outage comes first: while there is one, nobody knows who is to blame.
        for failure in sorted(failures, key=lambda each: isinstance(each, EventRefused)):
            raise failure

    async def _publish_lane(self, events: Sequence[Event], places: asyncio.Semaphore) -> None:
        async with places:
            for event in events:
                await self._publish(event)

    async def _publish(self, event: Event) -> None:
        headers = {Header.MSG_ID: str(event.id), "content-type": CONTENT_TYPE}
        subject = self.stream.subject(event.source, event.type)
        try:
            await self.connection.jetstream.publish(subject, encode(event), stream=self.stream.name, headers=headers)
        except MaxPayloadError as refused:
            raise EventRefused(f"it is larger than {self.connection.client.max_payload} bytes") from refused
        except APIError as refused:
            if refused.err_code == TOO_LARGE:
                raise EventRefused("it is larger than the stream allows") from refused
            raise
        except NoStreamResponseError:
            self.connection.give_up(f"the stream {self.stream.name} is gone")
            raise
