"""What a replica knows of revoked sessions: all that the table holds, read again about once a second."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

import structlog
from pydantic import BaseModel
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from core.clock import Clock, SystemClock
from core.database import Database, DatabaseUnavailable, Query, ReadSession
from core.revocations.tables import revoked_sessions
from core.tokens import Principal

# How much longer a token works here that was revoked elsewhere, beyond the time that its event takes.
REFRESH_INTERVAL_S = 1.0

log = structlog.get_logger("core.revocations")


class _Live(BaseModel):
    """The sessions whose tokens may not have expired."""

    session_ids: list[UUID] | None


# In one row: a model for each would hold the event loop many times as long.
_ids = func.array_agg(revoked_sessions.c.session_id).label("session_ids")
_LIVE = Query(select(_ids).where(revoked_sessions.c.expires_at > func.now()), _Live)
_new = insert(revoked_sessions)
_ADD = _new.on_conflict_do_update(
    index_elements=["session_id"],
    set_={"expires_at": func.greatest(revoked_sessions.c.expires_at, _new.excluded.expires_at)},
)


class Denylist:
    """The revocations of a service that is told of them: a look into memory for a request, a query for a second."""

    def __init__(self, reads: ReadSession, *, clock: Clock) -> None:
        self._reads = reads
        self._clock = clock
        self._stored: frozenset[UUID] = frozenset()
        # By when each may be forgotten. A read that began before their commit does not know them.
        self._heard_here: dict[UUID, datetime] = {}

    async def is_revoked(self, principal: Principal) -> bool:
        """Whether the session that the token belongs to was ended."""
        return principal.session_id in self._stored or principal.session_id in self._heard_here

    async def add(self, session: AsyncSession, session_id: UUID, *, expires_at: datetime) -> None:
        """Refuses the tokens of a session: here from now on, in other replicas when `session` has committed."""
        await session.execute(_ADD, {"session_id": session_id, "expires_at": expires_at})
        self._heard_here[session_id] = expires_at

    async def refresh(self) -> None:
        """Reads the table.

        Raises:
            DatabaseUnavailable: it could not; what was known still is.
        """
        now = self._clock.now()
        self._heard_here = {each: until for each, until in self._heard_here.items() if until > now}
        live = await self._reads.first(_LIVE)
        self._stored = frozenset((live.session_ids if live else None) or ())

    async def run(self) -> None:
        """Reads the table again and again until cancelled; waits for a database that is away."""
        waits = False
        while True:
            await asyncio.sleep(REFRESH_INTERVAL_S)
            try:
                await self.refresh()
            except DatabaseUnavailable as failed:
                if not waits:
                    log.warning("revocations wait", cause=str(failed.__cause__ or failed))
                waits = True
                continue
            if waits:
                log.info("revocations go on")
            waits = False


@asynccontextmanager
async def open_denylist(database: Database) -> AsyncGenerator[Denylist]:
    """A denylist that knows what was revoked before this process began; its `run` is the host's to start.

    Raises:
        DatabaseUnavailable: the database does not answer.
    """
    # Tokens live by the system's clock, whatever the business clock says.
    denylist = Denylist(database.reads, clock=SystemClock())
    await denylist.refresh()
    yield denylist
