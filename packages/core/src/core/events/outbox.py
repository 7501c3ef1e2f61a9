"""Writes an event in the transaction of the change that it announces: both are committed, or neither."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from opentelemetry.trace import Tracer
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import func, insert
from sqlalchemy.ext.asyncio import AsyncSession

from core.clock import Clock
from core.events.spans import publish_span
from core.events.tables import outbox
from core.ids import new_id
from core.tracing import NO_TRACER, current_traceparent


@dataclass(frozen=True, slots=True)
class Events:
    """What a service announces, bound to the session of its change."""

    session: AsyncSession
    clock: Clock
    wake: Callable[[], None]
    tracer: Tracer = NO_TRACER

    async def emit(
        self,
        type_: str,
        *,
        subject: str,
        data: Mapping[str, Any],
        sequence: int = 0,
        delay: timedelta = timedelta(0),
    ) -> None:
        """Stores an event; it is delivered after the commit, `delay` later at the earliest."""
        row = {
            "id": new_id(),
            "type": type_,
            "subject": subject,
            "sequence": sequence,
            "time": self.clock.now(),
            "data": dict(data),
        }
        with publish_span(self.tracer, type_, row["id"]):
            # The database's clock decides what is due: one clock for all replicas.
            due = {"due_at": func.now() + delay, "traceparent": current_traceparent()}
            await self.session.execute(insert(outbox).values(**row, **due))
        if not delay:
            # Not only once: the end of a savepoint counts as a commit, too.
            sqlalchemy_event.listen(self.session.sync_session, "after_commit", lambda _: self.wake())
