"""What makes the effect of an event happen once, and never after that of a later one."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Integer, Text, and_, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from core.database import Database, DatabaseUnavailable
from core.events.declarations.handlers import Subscription
from core.events.queues import INBOX, Claimed, recorded
from core.events.tables import inbox, inbox_sequences

_MARK = (
    update(inbox)
    .where(
        inbox.c.position == bindparam("at", type_=BigInteger),
        inbox.c.attempts == bindparam("attempted", type_=Integer),
        INBOX.is_open(inbox),
    )
    .values(handled_at=func.now(), leased_until=None, last_error=None)
    .returning(inbox.c.consumer, inbox.c.subject, inbox.c.sequence)
)
_marked = _MARK.cte("marked")
_further = insert(inbox_sequences).from_select(
    ["consumer", "subject", "sequence"], select(_marked.c.consumer, _marked.c.subject, _marked.c.sequence)
)
_MARK_AND_MOVE = _further.on_conflict_do_update(
    index_elements=["consumer", "subject"],
    set_={"sequence": _further.excluded.sequence},
    where=inbox_sequences.c.sequence < _further.excluded.sequence,
).returning(inbox_sequences.c.sequence)
_HAS_PASSED = select(inbox_sequences.c.sequence >= bindparam("sequence", type_=BigInteger)).where(
    and_(
        inbox_sequences.c.consumer == bindparam("consumer", type_=Text),
        inbox_sequences.c.subject == bindparam("subject", type_=Text),
    )
)


class TransactionEnded(Exception):
    """A handler has committed or rolled back the transaction that it was given."""


class NotBegun(Exception):
    """The database does not take the event now: its handler has not run, and is not to blame."""


@dataclass(frozen=True, slots=True)
class Effects:
    """How the handlers of one service are run; a short statement of theirs takes a place of `statements`."""

    database: Database
    resources: Any
    statements: asyncio.Semaphore

    async def once(self, claimed: Claimed, subscription: Subscription, *, timeout_s: float) -> None:
        """Runs the handler in the transaction that marks its event as handled, unless it is somebody else's by now.

        Raises:
            NotBegun: the handler has not run.
            TransactionEnded: it has committed or rolled back by itself.
        """
        async with self.database.transaction() as session:
            if await _begun(_is_to_be_handled(session, claimed)):
                begun = session.sync_session.get_transaction()
                async with asyncio.timeout(timeout_s):
                    await subscription.handle(claimed.event, session, self.resources)
                _refuse_another(session, begun, consumer=claimed.consumer)

    async def on(self, claimed: Claimed, subscription: Subscription, *, timeout_s: float) -> None:
        """Runs the handler with no transaction open, and then marks its event as handled.

        Raises:
            NotBegun: the handler has not run.
        """
        if not await _begun(self._has_passed(claimed)):
            async with asyncio.timeout(timeout_s):
                await subscription.handle(claimed.event, self.resources)
        await recorded(lambda: self._mark(claimed))

    async def _has_passed(self, claimed: Claimed) -> bool:
        event = claimed.event
        if event.sequence == 0:
            return False
        subject = {"consumer": claimed.consumer, "subject": event.subject, "sequence": event.sequence}
        async with self.statements, self.database.statement() as connection:
            return bool(await connection.scalar(_HAS_PASSED, subject))

    async def _mark(self, claimed: Claimed) -> None:
        async with self.statements, self.database.statement() as connection:
            await _is_to_be_handled(connection, claimed)


def _refuse_another(session: AsyncSession, begun: object, *, consumer: str) -> None:
    if session.sync_session.get_transaction() is not begun:
        # The mark may be undone, and what is behind the event would pass it over.
        raise TransactionEnded(consumer)


async def _begun(first: Awaitable[bool]) -> bool:
    try:
        return await first
    except (DatabaseUnavailable, PoolTimeoutError) as away:
        raise NotBegun from away


async def _is_to_be_handled(executor: AsyncConnection | AsyncSession, claimed: Claimed) -> bool:
    """Marks the event as handled; False if it is another replica's by now, or its subject is further already."""
    mark = _MARK_AND_MOVE if claimed.event.sequence > 0 else _MARK
    mine = {"at": claimed.position, "attempted": claimed.attempts}
    return await executor.scalar(mark, mine) is not None
