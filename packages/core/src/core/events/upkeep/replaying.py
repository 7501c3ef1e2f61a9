"""Tells again what is, page by page, no faster than it can be sent."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import Integer, bindparam, func, select

from core.database import Database
from core.events.declarations.replays import Replay
from core.events.queues import OUTBOX
from core.events.tables import outbox

# In one transaction, which keeps who wants to change one of them waiting.
THINGS_MAX = 100
# What is announced meanwhile stands behind these: about a second's work of one relay.
UNSENT_MAX = 1_000
LOOK_PAUSE_S = 0.2

_due = select(outbox.c.position).where(
    OUTBOX.is_open(outbox),
    outbox.c.due_at <= func.now(),
    # What is announced no more is nothing that a replica of this version would send.
    outbox.c.type.in_(bindparam("types", expanding=True)),
)
_UNSENT = select(func.count()).select_from(_due.limit(bindparam("most", type_=Integer)).subquery())


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a replay has come: `through` is the last thing that was told, or after which it began."""

    name: str
    _: KW_ONLY
    told: int
    total: int
    through: UUID | None
    # Until what was told is sent.
    is_waiting: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaying:
    """What one service tells again, for everybody who handles it; who knows it already passes it over."""

    database: Database
    resources: Any
    # Things a second, at most.
    rate: int | None = None

    async def run(self, replays: Sequence[Replay], *, after: UUID | None = None) -> AsyncIterator[Progress]:
        """Tells each kind of thing, the first one from `after` on; a page is committed when its progress is told.

        Raises:
            DatabaseUnavailable: it stops here; what was told stays told.
            ValueError: a replay gives the same things again.
        """
        for replay in replays:
            async for progress in self._tell(replay, after):
                yield progress
            after = None

    async def _tell(self, replay: Replay, after: UUID | None) -> AsyncIterator[Progress]:
        clock = asyncio.get_running_loop().time
        async with self.database.transaction() as session:
            total = await replay.count(session, self.resources)
        progress, started_at = Progress(replay.name, told=0, total=total, through=after), clock()
        yield replace(progress, is_waiting=await self._is_full())
        while True:
            while await self._is_full():
                yield replace(progress, is_waiting=True)
                await asyncio.sleep(LOOK_PAUSE_S)
            page = await self._tell_page(replay, progress.through)
            if not page:
                return
            progress = replace(progress, told=progress.told + len(page), through=page[-1])
            yield progress
            if self.rate:
                await asyncio.sleep(max(0, started_at + progress.told / self.rate - clock()))

    async def _tell_page(self, replay: Replay, after: UUID | None) -> Sequence[UUID]:
        most = min(self.rate or THINGS_MAX, THINGS_MAX)
        async with self.database.transaction() as session:
            page = await replay.retell(session, self.resources, after, most)
            if page and page[-1] == after:
                raise ValueError(f"the replay of {replay.name} does not go on after {after}")
            return page

    async def _is_full(self) -> bool:
        limits = {"types": sorted(self.resources.outbox.announced), "most": UNSENT_MAX}
        async with self.database.statement() as connection:
            return await connection.scalar(_UNSENT, limits) == UNSENT_MAX
