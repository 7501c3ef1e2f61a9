"""The JetStream stream that all services share: what is in it, and who makes it."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from nats.js import JetStreamContext
from nats.js.api import RetentionPolicy, StorageType, StreamConfig, StreamInfo
from nats.js.errors import APIError, NotFoundError

from core.events.bus.nats.connection import Connection
from core.events.bus.protocol import KEPT, BusUnavailable

# In which the server itself leaves out what is published again; an inbox does so for ever.
DUPLICATES_WINDOW = timedelta(minutes=2)
# "stream name already in use with a different configuration": another replica's version, or an operator, was first.
NAME_IN_USE = 10058


@dataclass(frozen=True, slots=True)
class Stream:
    """The stream of that name."""

    name: str

    def subject(self, source: str, type_: str) -> str:
        """Where the events of that type are; a server can let each service publish below its own name alone."""
        return f"{self.name}.{source}.{type_}"

    async def ensure(self, connection: Connection) -> StreamInfo:
        """Makes it if it is not there; one that is there is used as it is, because an operator may know better.

        Raises:
            BusUnavailable: it is not there, or nobody knows; or it is of something else.
        """
        info = await connection.unless_lost(self._ensure(connection.jetstream))
        subjects = info.config.subjects or []
        if not any(subject == ">" or subject.startswith(f"{self.name}.") for subject in subjects):
            raise BusUnavailable(f"the stream {self.name} is there, without the subjects {self.name}.>")
        return info

    async def _ensure(self, jetstream: JetStreamContext) -> StreamInfo:
        with suppress(NotFoundError):
            return await jetstream.stream_info(self.name)
        try:
            return await jetstream.add_stream(self._config())
        except APIError as refused:
            if refused.err_code != NAME_IN_USE:
                raise
            return await jetstream.stream_info(self.name)

    def _config(self) -> StreamConfig:
        return StreamConfig(
            name=self.name,
            subjects=[f"{self.name}.>"],
            retention=RetentionPolicy.LIMITS,
            storage=StorageType.FILE,
            max_age=KEPT.total_seconds(),
            duplicate_window=DUPLICATES_WINDOW.total_seconds(),
        )
