"""Every query on one-time tokens."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from core.database import Query, ReadSession, UtcDateTime
from users.one_time_tokens.models import OneTimeToken, Purpose


class Shown(BaseModel, frozen=True):
    """Whose token was shown, and the address that it proves, if that is not theirs yet."""

    user_id: UUID
    new_email: str | None


_USABLE = Query(
    select(OneTimeToken.user_id, OneTimeToken.new_email).where(
        OneTimeToken.digest == bindparam("digest"),
        OneTimeToken.purpose == bindparam("purpose"),
        OneTimeToken.expires_at > bindparam("now", type_=UtcDateTime),
    ),
    Shown,
)


@dataclass(frozen=True, slots=True)
class OneTimeTokenRepository:
    """The one-time tokens that could still be used; writes in the transaction of `session`, reads outside any."""

    session: AsyncSession
    reads: ReadSession

    async def replace(
        self,
        *,
        token_id: UUID,
        user_id: UUID,
        purpose: Purpose,
        new_email: str | None,
        digest: bytes,
        now: datetime,
        expires_at: datetime,
    ) -> None:
        """Stores a token in place of the user's older one for the same purpose."""
        content = {
            "id": token_id,
            "digest": digest,
            "new_email": new_email,
            "created_at": now,
            "expires_at": expires_at,
        }
        await self.session.execute(
            insert(OneTimeToken)
            .values(user_id=user_id, purpose=purpose, **content)
            .on_conflict_do_update(index_elements=[OneTimeToken.user_id, OneTimeToken.purpose], set_=content)
        )

    async def discard(self, token_id: UUID) -> None:
        """Deletes one token, if it is there."""
        await self.session.execute(delete(OneTimeToken).where(OneTimeToken.id == token_id))

    async def discard_all(self, user_id: UUID, *purposes: Purpose) -> None:
        """Deletes what a user was sent for these purposes."""
        which = OneTimeToken.user_id == user_id, OneTimeToken.purpose.in_(purposes)
        await self.session.execute(delete(OneTimeToken).where(*which))

    async def shown(self, digest: bytes, *, purpose: Purpose, now: datetime) -> Shown | None:
        """A token that could be used now."""
        return await self.reads.first(_USABLE, digest=digest, purpose=purpose.value, now=now)

    async def take(self, digest: bytes, *, now: datetime) -> bool:
        """Deletes the token; false if it was used or replaced meanwhile, or has expired."""
        usable = OneTimeToken.digest == digest, OneTimeToken.expires_at > now
        statement = delete(OneTimeToken).where(*usable).returning(OneTimeToken.id)
        return await self.session.scalar(statement) is not None

    async def holder(self, token_id: UUID) -> Shown | None:
        """Whose token this is; None if it was used or replaced."""
        statement = select(OneTimeToken.user_id, OneTimeToken.new_email).where(OneTimeToken.id == token_id)
        row = (await self.session.execute(statement)).one_or_none()
        return None if row is None else Shown(user_id=row.user_id, new_email=row.new_email)
