"""Lets one handler forget how far it is with each subject, so that it handles anew what it is told again."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from sqlalchemy import Integer, Text, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import ARRAY, BIGINT, INTEGER

from core.database import Database
from core.events.queues import INBOX
from core.events.tables import inbox, inbox_sequences

# In one statement, so that none runs for long.
SUBJECTS_MAX = 5_000
LOOK_PAUSE_S = 0.2

_CONSUMER = bindparam("consumer", type_=Text)
_COUNT = select(func.count()).where(inbox_sequences.c.consumer == _CONSUMER)
_runs = select(inbox.c.position, inbox.c.attempts).where(INBOX.is_open(inbox), inbox.c.leased_until >= func.now())
_RUNS = _runs.where(inbox.c.consumer == _CONSUMER)
_began = (
    func.unnest(bindparam("positions", type_=ARRAY(BIGINT)), bindparam("attempted", type_=ARRAY(INTEGER)))
    .table_valued("position", "attempts")
    .render_derived(name="began")
)
_same = _runs.where(inbox.c.position == _began.c.position, inbox.c.attempts == _began.c.attempts)
_STILL = select(func.count()).select_from(_same.subquery())
_page = (
    select(inbox_sequences.c.subject)
    .where(inbox_sequences.c.consumer == _CONSUMER)
    .limit(bindparam("most", type_=Integer()))
    # One that a run has locked by now began after this did: what it knows is right.
    .with_for_update(skip_locked=True)
    # Not a subquery, which a plan may run again for each row, beyond its limit.
    .cte("page")
    .prefix_with("MATERIALIZED")
)
_FORGET = delete(inbox_sequences).where(
    inbox_sequences.c.consumer == _CONSUMER, inbox_sequences.c.subject == _page.c.subject
)


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many subjects so far; nothing is forgotten before `awaited` runs of the handler have ended."""

    subjects: int
    awaited: int = 0


@dataclass(frozen=True, slots=True)
class Forgetting:
    """What one handler knows of subjects."""

    database: Database
    consumer: str

    async def count(self) -> int:
        """Of how many subjects it knows how far it is."""
        async with self.database.statement() as connection:
            return await connection.scalar(_COUNT, {"consumer": self.consumer}) or 0

    async def run(self) -> AsyncIterator[Forgotten]:
        """Forgets them some at a time, each time committed.

        Runs that are under way come first, at most until their leases end: they would remember what they began with.
        """
        async with self.database.statement() as connection:
            runs = (await connection.execute(_RUNS, {"consumer": self.consumer})).all()
        began = {"positions": [run.position for run in runs], "attempted": [run.attempts for run in runs]}
        while awaited := await self._count_of(began):
            yield Forgotten(0, awaited)
            await asyncio.sleep(LOOK_PAUSE_S)
        forgotten, page = 0, SUBJECTS_MAX
        while page == SUBJECTS_MAX:
            async with self.database.statement() as connection:
                page = (await connection.execute(_FORGET, {"consumer": self.consumer, "most": SUBJECTS_MAX})).rowcount
            forgotten += page
            yield Forgotten(forgotten)

    async def _count_of(self, began: dict[str, list[int]]) -> int:
        async with self.database.statement() as connection:
            return await connection.scalar(_STILL, began) or 0
