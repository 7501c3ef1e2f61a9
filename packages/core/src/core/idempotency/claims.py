"""Claims on idempotency keys (IETF draft-ietf-httpapi-idempotency-key-header-07).

A claim commits in a short transaction of its own before the work; the answer is stored by the transaction that decides
it. A claim whose owner died can be taken over when its lease has run out. An owner that was only slow cannot store its
answer any more, and its work is rolled back: of two who worked for a key, only the later one can commit.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

from sqlalchemy import ColumnElement, Row, and_, delete, exists, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import ReturningInsert, ReturningUpdate

from core.cancellation import settled
from core.database import Database, DatabaseUnavailable
from core.errors import Conflict, Invalid
from core.idempotency.tables import idempotency_keys as keys

# Longer than a request usually may take, so that work is seldom done in vain.
LEASE = timedelta(seconds=30)
KEPT = timedelta(hours=24)


class IdempotencyKeyReused(Invalid):
    """The Idempotency-Key was used before with another request."""

    code = "idempotency_key_reused"
    # It says nothing of the request that the key belongs to, which may still come again.
    is_final = False


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
    # Those that belong to the answer, not to the request that got it first.
    headers: tuple[tuple[str, str], ...] = ()


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
class Claim:
    """A key that is the caller's to work for; the end of its lease tells it from the claim that took it over."""

    ticket: Ticket
    leased_until: datetime

    @property
    def row(self) -> ColumnElement[bool]:
        """Its row, as long as nobody has taken it over."""
        return and_(_is(self.ticket), keys.c.leased_until == self.leased_until, keys.c.status.is_(None))


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of one service."""

    database: Database

    async def claim(self, ticket: Ticket) -> Claim | Answer:
        """Claims the key: a Claim means that the work is the caller's to do, an Answer that it has been done.

        Raises:
            IdempotencyKeyReused: the key belongs to another request; checked first.
            IdempotencyInFlight: the same request is being worked on.
        """
        leased_until = None
        try:
            async with self.database.transaction() as session:
                leased_until, found = await _take_or_find(session, ticket)
        except asyncio.CancelledError:
            # The COMMIT may have come first: a retry must not wait for the lease of work that nobody does.
            if leased_until is not None:
                with suppress(DatabaseUnavailable):
                    await settled(self.release(Claim(ticket, leased_until)))
            raise
        if leased_until is not None:
            return Claim(ticket, leased_until)
        if found is None:
            raise IdempotencyInFlight
        if found.fingerprint != ticket.fingerprint:
            raise IdempotencyKeyReused
        if found.status is None:
            raise IdempotencyInFlight
        headers = tuple((name, value) for name, value in found.headers or ())
        return Answer(found.status, found.media_type, found.body, headers)

    async def complete(self, session: AsyncSession, claim: Claim, answer: Answer) -> None:
        """Stores the answer, in the transaction that decides it.

        Raises:
            IdempotencyInFlight: another has taken the claim over; what `session` wrote must not be committed.
        """
        values = {name: getattr(answer, name) for name in ("status", "media_type", "body", "headers")}
        stored = update(keys).where(claim.row).values(values).returning(keys.c.key)
        if await session.scalar(stored) is None:
            raise IdempotencyInFlight

    async def forget(self) -> None:
        """Forgets what is no longer kept."""
        async with self.database.transaction() as session:
            await session.execute(delete(keys).where(_is_expired()))

    async def forget_caller(self, session: AsyncSession, subject: str) -> None:
        """Forgets what somebody was answered who is erased, in the transaction that erases them.

        Not what they are waiting for: without its claim, work that is under way would be rolled back.
        """
        theirs = keys.c.scope.startswith(f"{subject} ", autoescape=True)
        await session.execute(delete(keys).where(theirs, keys.c.status.is_not(None)))

    async def release(self, claim: Claim) -> None:
        """Gives back a claim whose outcome may not be stored, so that the same request can be made again."""
        async with self.database.transaction() as session:
            await session.execute(delete(keys).where(claim.row))


async def _take_or_find(session: AsyncSession, ticket: Ticket) -> tuple[datetime | None, Row[Any] | None]:
    """The end of the lease if the key is ours now, else what holds it; neither when it changed hands this instant."""
    if (leased_until := await session.scalar(_new(ticket))) is not None:
        return leased_until, None
    found = (await session.execute(select(keys, _free(ticket).label("free")).where(_is(ticket)))).one_or_none()
    if found is None or found.free:
        return await session.scalar(_taken_over(ticket)), None
    return None, found


def _new(ticket: Ticket) -> ReturningInsert[datetime]:
    row = {
        "scope": literal(ticket.scope),
        "key": literal(ticket.key),
        "fingerprint": literal(ticket.fingerprint),
        "leased_until": _end_of_lease(),
    }
    # ON CONFLICT alone would wait, on a connection, for the COMMIT of whoever stores the answer just now.
    absent = select(*row.values()).where(~exists().where(_is(ticket)))
    return insert(keys).from_select(list(row), absent).on_conflict_do_nothing().returning(keys.c.leased_until)


def _taken_over(ticket: Ticket) -> ReturningUpdate[datetime]:
    fresh = {"created_at": func.now(), "status": None, "media_type": None, "body": None, "headers": None}
    taken_over = update(keys).where(_is(ticket), _free(ticket))
    values = {"fingerprint": ticket.fingerprint, "leased_until": _end_of_lease(), **fresh}
    return taken_over.values(**values).returning(keys.c.leased_until)


def _end_of_lease() -> ColumnElement[datetime]:
    # Not now(), which stands still while a transaction waits: no two claims may have the same end.
    return func.clock_timestamp() + LEASE


def _free(ticket: Ticket) -> ColumnElement[bool]:
    same = keys.c.fingerprint == ticket.fingerprint
    abandoned = and_(keys.c.status.is_(None), keys.c.leased_until < func.now(), same)
    return or_(_is_expired(), abandoned)


def _is_expired() -> ColumnElement[bool]:
    return keys.c.created_at < func.now() - KEPT


def _is(ticket: Ticket) -> ColumnElement[bool]:
    return and_(keys.c.scope == ticket.scope, keys.c.key == ticket.key)
