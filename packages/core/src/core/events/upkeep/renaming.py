"""Gives one handler what another one left behind, which is it under the name it had before."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Integer,
    Select,
    Text,
    and_,
    any_,
    bindparam,
    delete,
    exists,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, BIGINT, insert
from sqlalchemy.ext.asyncio import AsyncSession

from core.database import Database
from core.events.queues import INBOX
from core.events.tables import inbox, inbox_sequences

# In one statement, so that none runs for long.
ROWS_MAX = 5_000

_OLD, _NEW = bindparam("old", type_=Text), bindparam("new", type_=Text)
_AFTER, _MOST = bindparam("after", type_=BigInteger), bindparam("most", type_=Integer())
_of_old = inbox.c.consumer == _OLD
_WAITING = select(func.count()).where(_of_old, INBOX.is_open(inbox))
_IS_RUNNING = select(exists().where(_of_old, INBOX.is_open(inbox), inbox.c.leased_until >= func.now()))
_IS_KNOWN = select(or_(exists().where(inbox_sequences.c.consumer == _OLD), exists().where(_of_old)))

_POSITIONS = (
    select(inbox.c.position)
    .where(_of_old, inbox.c.position > _AFTER)
    .order_by(inbox.c.position)
    .limit(_MOST)
    .with_for_update()
)
_on_page = inbox.c.position == any_(bindparam("page", type_=ARRAY(BIGINT)))
_twin = inbox.alias("twin")
_is_twin = _twin.c.event_id == inbox.c.event_id
_was_handled = and_(_is_twin, _twin.c.consumer == _OLD, _twin.c.handled_at.is_not(None))
# Of two rows of one event, the one that says that it was handled stays.
_DROP_UNHANDLED = delete(inbox).where(
    inbox.c.consumer == _NEW, inbox.c.handled_at.is_(None), exists().where(_was_handled)
)
_DROP_KNOWN = delete(inbox).where(_on_page, exists().where(_is_twin, _twin.c.consumer == _NEW))
_MOVE = update(inbox).where(_on_page).values(consumer=_NEW)

_subjects = (
    select(inbox_sequences.c.subject)
    .where(inbox_sequences.c.consumer == _OLD)
    .limit(_MOST)
    # Not a subquery, which a plan may run again for each row, beyond its limit.
    .cte("subjects")
    .prefix_with("MATERIALIZED")
)
_left = (
    delete(inbox_sequences)
    .where(inbox_sequences.c.consumer == _OLD, inbox_sequences.c.subject == _subjects.c.subject)
    .returning(inbox_sequences.c.subject, inbox_sequences.c.sequence)
    .cte("left_behind")
)
_known = insert(inbox_sequences).from_select(
    ["consumer", "subject", "sequence"], select(_NEW, _left.c.subject, _left.c.sequence)
)
_MOVE_SEQUENCES = _known.on_conflict_do_update(
    index_elements=["consumer", "subject"],
    set_={"sequence": func.greatest(inbox_sequences.c.sequence, _known.excluded.sequence)},
).returning(inbox_sequences.c.subject)


@dataclass(frozen=True, slots=True)
class Renaming:
    """What one service keeps for `old`, and should keep for `new`."""

    database: Database
    old: str
    new: str

    async def is_known(self) -> bool:
        """Whether anything is kept for `old`."""
        return await self._first(_IS_KNOWN)

    async def is_running(self) -> bool:
        """Whether a replica that has `old` works for it at this moment."""
        return await self._first(_IS_RUNNING)

    async def waiting(self) -> int:
        """How many events wait for `old`."""
        return await self._first(_WAITING)

    async def run(self) -> None:
        """Moves all of it, in one transaction: what waits, what was handled, and how far it is with each subject."""
        async with self.database.transaction() as session:
            # In the order in which a run locks them.
            await session.execute(_DROP_UNHANDLED, {"old": self.old, "new": self.new})
            await self._move_events(session)
            moved = ROWS_MAX
            while moved == ROWS_MAX:
                names = {"old": self.old, "new": self.new, "most": ROWS_MAX}
                moved = len((await session.execute(_MOVE_SEQUENCES, names)).all())

    async def _move_events(self, session: AsyncSession) -> None:
        after = 0
        while page := [*await session.scalars(_POSITIONS, {"old": self.old, "after": after, "most": ROWS_MAX})]:
            await session.execute(_DROP_KNOWN, {"new": self.new, "page": page})
            await session.execute(_MOVE, {"new": self.new, "page": page})
            after = page[-1]

    async def _first(self, query: Select[Any]) -> Any:
        async with self.database.statement() as connection:
            return await connection.scalar(query, {"old": self.old})
