"""Every query on attempts at accounts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from core.database import Database
from users.throttling.models import LoginThrottle


@dataclass(frozen=True, slots=True)
class ThrottleRepository:
    """Counts in statements of their own, which no refusal undoes; all else is in the transaction of `session`."""

    session: AsyncSession
    database: Database

    async def count(self, key: bytes, *, at: datetime, then_until: Sequence[datetime]) -> datetime | None:
        """Counts an attempt, after which none is counted until the end of its wait; None if it was counted.

        The first attempt waits until the first of `then_until`, and so on. One that is not counted is told until when
        nobody may try.
        """
        attempt = LoginThrottle.attempts + 1
        wait_ends = case(dict(enumerate(then_until, 1)), value=attempt, else_=then_until[-1])
        counted = (
            insert(LoginThrottle)
            .values(key=key, attempts=1, attempted_at=at, blocked_until=then_until[0])
            .on_conflict_do_update(
                index_elements=[LoginThrottle.key],
                set_={"attempts": attempt, "attempted_at": at, "blocked_until": wait_ends},
                # One statement: of many at once, each sees what the one before it has left.
                where=LoginThrottle.blocked_until <= at,
            )
            .returning(LoginThrottle.attempts)
        )
        async with self.database.statement() as connection:
            if await connection.scalar(counted):
                return None
            blocked = await connection.scalar(select(LoginThrottle.blocked_until).where(LoginThrottle.key == key))
        # Nothing is left of it if a sign-in has succeeded this instant.
        return blocked or at

    async def remove(self, key: bytes) -> None:
        """Forgets the attempts at one account."""
        await self.session.execute(delete(LoginThrottle).where(LoginThrottle.key == key))

    async def remove_old(self, *, blocked_before: datetime) -> None:
        """Forgets those whose wait was over before that."""
        await self.session.execute(delete(LoginThrottle).where(LoginThrottle.blocked_until < blocked_before))
