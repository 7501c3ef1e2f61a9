"""Writes an event in the transaction of the change that it announces: both are committed, or neither."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import orjson
from opentelemetry.trace import Tracer
from sqlalchemy import delete, func, insert
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy.ext.asyncio import AsyncSession

from core.clock import Clock
from core.events.declarations.announcements import Announced, UndeclaredEvent
from core.events.event import SEQUENCE_MAX, SUBJECT_LENGTH_MAX
from core.events.spans import publish_span
from core.events.tables import inbox, outbox
from core.ids import new_id
from core.tracing import NO_TRACER, current_traceparent

# A message of NATS holds twice as much, unless its server is told otherwise.
DATA_BYTES_MAX = 512 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbox:
    """What a service may emit, and whom a commit wakes."""

    clock: Clock
    # What it tells other services, and the types that it only handles itself.
    announced: Mapping[str, type[Announced]] = field(default_factory=dict)
    deferred: Collection[str] = ()
    tracer: Tracer = NO_TRACER
    awake: asyncio.Event = field(default_factory=asyncio.Event)
    awake_for_deferred: asyncio.Event = field(default_factory=asyncio.Event)

    def events(self, session: AsyncSession) -> "Events":
        """What announces the changes of `session`."""
        return Events(session, self)


@dataclass(frozen=True, slots=True)
class Events:
    """What a service announces, bound to the session of its change."""

    session: AsyncSession
    outbox: Outbox

    async def emit(
        self,
        type_: str,
        *,
        subject: str,
        data: Announced | Mapping[str, Any],
        sequence: int = 0,
        delay: timedelta = timedelta(0),
    ) -> None:
        """Stores an event; it is delivered after the commit, `delay` later at the earliest.

        A type that the service announces is told by its model; one that only the service itself handles by a mapping.

        Raises:
            UndeclaredEvent: the service neither announces nor handles the type, or announces another model.
            ValueError: `data` takes more than 512 KiB as JSON, `subject` has more than 255 characters, or `sequence` is
                negative or no bigint.
        """
        if len(subject) > SUBJECT_LENGTH_MAX or not 0 <= sequence <= SEQUENCE_MAX:
            # Without the subject, which may be anything.
            raise ValueError(f"{type_} has a subject of {len(subject)} characters and the sequence {sequence}")
        told = self._told(type_, data)
        size = len(orjson.dumps(told))
        if size > DATA_BYTES_MAX:
            raise ValueError(f"{type_} tells {size} bytes, and {DATA_BYTES_MAX} are the most")
        row = {
            "id": new_id(),
            "type": type_,
            "subject": subject,
            "sequence": sequence,
            "time": self.outbox.clock.now(),
            "data": told,
        }
        with publish_span(self.outbox.tracer, type_, row["id"]):
            # The database's clock decides what is due: one clock for all replicas.
            due = {"due_at": func.now() + delay, "traceparent": current_traceparent()}
            await self.session.execute(insert(outbox).values(**row, **due))
        if not delay:
            awake = self.outbox.awake if type_ in self.outbox.announced else self.outbox.awake_for_deferred
            # Not only once: the end of a savepoint counts as a commit, too.
            sqlalchemy_event.listen(self.session.sync_session, "after_commit", lambda _: awake.set())

    async def erase(self, subject: str) -> None:
        """Deletes every event about a subject that this service holds: waiting, handled, dead, and with its errors.

        For what a service tells itself about a person who is erased; what it has told others is theirs to erase.
        """
        for table in (outbox, inbox):
            await self.session.execute(delete(table).where(table.c.subject == subject))

    def _told(self, type_: str, data: Announced | Mapping[str, Any]) -> dict[str, Any]:
        model = self.outbox.announced.get(type_)
        if model is None:
            if type_ not in self.outbox.deferred:
                raise UndeclaredEvent(f"the service neither announces nor handles {type_}")
            return data.model_dump(mode="json") if isinstance(data, Announced) else dict(data)
        if not isinstance(data, model):
            raise UndeclaredEvent(f"{type_} tells {model.__name__}, not {type(data).__name__}")
        return data.model_dump(mode="json")
