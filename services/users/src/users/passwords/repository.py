"""Every query on credentials that needs no account."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Interval, func, literal, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from users.passwords.models import Credential

# The least by which two times differ in the database.
_MOMENT = literal(timedelta(microseconds=1), Interval)


@dataclass(frozen=True, slots=True)
class CredentialRepository:
    """Writes in the transaction of `session`."""

    session: AsyncSession

    async def put(self, user_id: UUID, password_hash: str, *, at: datetime) -> None:
        """Sets the password of a user."""
        new = insert(Credential).values(user_id=user_id, password_hash=password_hash, changed_at=at)
        # Later than the last change in any case: by this time, a proof of the former password knows that it is one.
        changed_at = func.greatest(new.excluded.changed_at, Credential.changed_at + _MOMENT)
        content = {"password_hash": password_hash, "changed_at": changed_at}
        await self.session.execute(new.on_conflict_do_update(index_elements=[Credential.user_id], set_=content))

    async def renew(self, user_id: UUID, password_hash: str) -> None:
        """Stores another hash of the same password."""
        await self.session.execute(
            update(Credential).where(Credential.user_id == user_id).values(password_hash=password_hash)
        )
