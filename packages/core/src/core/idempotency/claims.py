"""Claims on idempotency keys (IETF draft-ietf-httpapi-idempotency-key-header-07).

A claim commits in a short transaction of its own before the work; the answer is stored by the transaction that decides
it. A claim whose owner died can be taken over when its lease has run out.
"""

from dataclasses import dataclass
from datetime import timedelta
from uuid import NAMESPACE_OID, UUID, uuid5

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from core.database import Database
from core.errors import Conflict, Invalid
from core.idempotency.tables import idempotency_keys as keys

# Longer than a request may take, so that only a claim whose owner died is taken over.
LEASE = timedelta(seconds=30)
KEPT = timedelta(hours=24)


class IdempotencyKeyReused(Invalid):
    """The Idempotency-Key was used before with another request."""

    code = "idempotency_key_reused"


class IdempotencyInFlight(Conflict):
    """A request with this Idempotency-Key is still being worked on."""

    code = "idempotency_in_flight"
    retry_after_s = 1


@dataclass(frozen=True, slots=True)
class Answer:
    """A response as it was first sent."""

    status: int
    media_type: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """One keyed request: who asks (`scope`), under which key, for what (`fingerprint`)."""

    scope: str
    key: str
    fingerprint: bytes

    @property
    def id(self) -> UUID:
        """The same for every attempt under this key: what an effect outside the database is named after."""
        return uuid5(NAMESPACE_OID, f"{self.scope}\n{self.key}")


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of one service."""

    database: Database

    async def claim(self, ticket: Ticket) -> Answer | None:
        """Claims the key: None means that the work is the caller's to do, an Answer that it has been done.

        Raises:
            IdempotencyKeyReused: the key belongs to another request; checked first.
            IdempotencyInFlight: the same request is being worked on.
        """
        values = {"fingerprint": ticket.fingerprint, "leased_until": func.now() + LEASE}
        expired = keys.c.created_at < func.now() - KEPT
        abandoned = and_(
            keys.c.status.is_(None),
            keys.c.leased_until < func.now(),
            keys.c.fingerprint == ticket.fingerprint,
        )
        fresh = {"created_at": func.now(), "status": None, "media_type": None, "body": None}
        statement = (
            insert(keys)
            .values(scope=ticket.scope, key=ticket.key, **values)
            .on_conflict_do_update(
                index_elements=[keys.c.scope, keys.c.key], set_={**values, **fresh}, where=or_(expired, abandoned)
            )
            .returning(keys.c.key)
        )
        async with self.database.transaction() as session:
            if await session.scalar(statement) is not None:
                return None
            found = (await session.execute(select(keys).where(_is(ticket)))).one_or_none()
        if found is None or (found.fingerprint == ticket.fingerprint and found.status is None):
            # None: its owner gave the claim back this instant; the caller's retry will get it.
            raise IdempotencyInFlight
        if found.fingerprint != ticket.fingerprint:
            raise IdempotencyKeyReused
        return Answer(found.status, found.media_type, found.body)

    async def complete(self, session: AsyncSession, ticket: Ticket, answer: Answer) -> None:
        """Stores the answer, in the transaction that decides it."""
        await session.execute(
            update(keys).where(_is(ticket)).values(status=answer.status, media_type=answer.media_type, body=answer.body)
        )

    async def release(self, ticket: Ticket) -> None:
        """Gives back a claim whose outcome may not be stored, so that the same request can be made again."""
        async with self.database.transaction() as session:
            await session.execute(delete(keys).where(_is(ticket), keys.c.status.is_(None)))


def _is(ticket: Ticket) -> ColumnElement[bool]:
    return and_(keys.c.scope == ticket.scope, keys.c.key == ticket.key)
