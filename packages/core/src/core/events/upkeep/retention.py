"""Forgets events that are done with, so that an erasure reaches what they told."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Delete, Integer, Interval, bindparam, delete, exists, func, select

from core.database import Database
from core.events.bus.protocol import KEPT
from core.events.tables import inbox, outbox

SENT_KEPT = KEPT
# Longer than a bus keeps them: what may still come from there is known here.
HANDLED_KEPT = SENT_KEPT + timedelta(days=1)
# At once, so that no statement runs for long.
ROWS_MAX = 1_000

_THEN = func.now() - bindparam("age", type_=Interval)
_MOST = bindparam("most", type_=Integer())
_SENT = select(outbox.c.position).where(outbox.c.sent_at < _THEN).order_by(outbox.c.sent_at).limit(_MOST)
_HANDLED = (
    select(inbox.c.position)
    # What is still in the outbox of the same service may be passed on once more.
    .where(inbox.c.handled_at < _THEN, ~exists().where(outbox.c.id == inbox.c.event_id))
    .order_by(inbox.c.handled_at)
    .limit(_MOST)
)
_FORGET_SENT = delete(outbox).where(outbox.c.position.in_(_SENT))
_FORGET_HANDLED = delete(inbox).where(inbox.c.position.in_(_HANDLED))


@dataclass(frozen=True, slots=True)
class Retention:
    """What one service keeps of events that were sent and handled; dead ones stay until somebody sees to them."""

    database: Database

    async def forget(self) -> None:
        """Deletes what is no longer kept, some at a time; what was deleted stays so if a later part fails."""
        await self._all(_FORGET_SENT, age=SENT_KEPT)
        await self._all(_FORGET_HANDLED, age=HANDLED_KEPT)

    async def _all(self, forget: Delete, *, age: timedelta) -> None:
        forgotten = ROWS_MAX
        while forgotten == ROWS_MAX:
            async with self.database.statement() as connection:
                forgotten = (await connection.execute(forget, {"age": age, "most": ROWS_MAX})).rowcount
