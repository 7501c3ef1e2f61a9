"""Sessions that another service has ended: their tokens are refused here, how soon, for how long, and in an outage."""

import asyncio
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest

from core.application import service as make_service
from core.clock import SystemClock
from core.database import DatabaseUnavailable
from core.ids import format_id, new_id
from core.resources import Resource
from core.revocations import Denylist, forget_revoked
from core.revocations.forgetting import ROWS_MAX
from core.revocations.hearing import LIFETIME_S_MAX, last_expiry
from core.testing import MovableClock, problem, running
from core.testing.exits import exits
from core.tokens import Principal, Revocations
from core.tokens.local import LocalKey
from core.tokens.principal import LEEWAY_S_MAX
from core.tokens.signing import sign_access_token

NOW = datetime(2026, 5, 17, 9, 30, tzinfo=UTC)
HEARING = "core.revocations.hearing.refuse_session"
INVALID = 'Bearer error="invalid_token"'


@pytest.fixture
def settings(settings):
    return settings.model_copy(update={"tokens": settings.tokens.model_copy(update={"issued_by": "users"})})


@pytest.fixture
def app(settings, ports):
    return make_service("hearer", settings, ports, routers=[exits])


@pytest.fixture
def rarely_read(monkeypatch):
    """The table is read at the start, and not again while a test lasts."""
    monkeypatch.setattr("core.revocations.denylist.REFRESH_INTERVAL_S", 3_600)


@pytest.fixture
def header(settings, tmp_path):
    """`header(session_id)`: the header of a user with this session; without one, of a machine."""
    key = LocalKey.open(tmp_path, environment="local")

    def of(session_id: UUID | None) -> dict[str, str]:
        now = datetime.now(UTC)
        token = sign_access_token(
            key=key.private,
            kid=key.kid,
            issuer="urn:local",
            audience=[settings.tokens.audience],
            subject=format_id("usr" if session_id else "svc", new_id()),
            client_id="tests",
            session_id=session_id,
            scopes=(),
            roles=(),
            auth_time=now if session_id else None,
            now=now,
            lifetime=timedelta(minutes=5),
        )
        return {"Authorization": f"Bearer {token}"}

    return of


@pytest.fixture
def arrives(admin):
    """`await arrives(session_id)`: the news that it was ended is in the inbox."""

    async def put(session_id: UUID, **told: object) -> None:
        data = {
            "id": format_id("ses", session_id),
            "revoked_at": datetime.now(UTC).isoformat(),
            "access_token_lifetime_s": 300,
        }
        await admin.execute(
            """
            INSERT INTO inbox (consumer, event_id, source, type, subject, sequence, time, data)
            VALUES ($1, gen_random_uuid(), 'users', 'session.revoked', $2, 1, now(), $3)
            """,
            *(HEARING, data["id"], orjson.dumps(data | told).decode()),
        )

    return put


async def revoked(admin, session_id: UUID, *, expires: str = "5 minutes") -> None:
    """As another replica would store it."""
    row = "INSERT INTO revoked_sessions VALUES ($1, now() + $2::text::interval)"
    await admin.execute(row, session_id, expires)


def refused(client, header):
    async def is_refused() -> bool:
        response = await client.get("/v1/exits/caller", headers=header)
        return response.status_code == 401 and response.headers["www-authenticate"] == INVALID

    return is_refused


async def test_the_tokens_of_an_ended_session_are_refused_and_no_others(app, header, arrives, becomes):
    ended, another = new_id(), new_id()
    async with running(app) as client:
        assert not await refused(client, header(ended))()
        await arrives(ended)
        await becomes(refused(client, header(ended)))
        assert problem(await client.get("/v1/exits/caller", headers=header(ended))) == (401, "unauthenticated")
        for header_ in (header(another), header(None)):
            assert (await client.get("/v1/exits/caller", headers=header_)).status_code == 200


async def test_whoever_has_heard_it_refuses_at_once(app, header, arrives, becomes, rarely_read):
    ended = new_id()
    async with running(app) as client:
        await arrives(ended)
        await becomes(refused(client, header(ended)))


async def test_what_another_replica_has_heard_is_read(app, admin, header, becomes):
    ended = new_id()
    async with running(app) as client:
        await revoked(admin, ended)
        await becomes(refused(client, header(ended)))


async def test_what_was_revoked_before_the_start_is_refused_from_the_first_request_on(app, admin, header, rarely_read):
    ended, over = new_id(), new_id()
    await revoked(admin, ended)
    await revoked(admin, over, expires="-1 s")
    async with running(app) as client:
        assert await refused(client, header(ended))()
        # No token of it is valid any more: it need not be known.
        assert not await refused(client, header(over))()


async def test_a_token_is_verified_without_a_query(app, header, queries):
    async with running(app) as client:
        with queries() as statements:
            for session_id in (new_id(), new_id()):
                assert (await client.get("/v1/exits/caller", headers=header(session_id))).status_code == 200
    assert statements == []


def principal(session_id: UUID | None) -> Principal:
    return Principal(
        issuer="https://users.example",
        subject=format_id("usr", new_id()),
        id=new_id(),
        kind="user",
        scopes=frozenset(),
        roles=frozenset(),
        session_id=session_id,
        client_id="tests",
        auth_time=NOW,
        expires_at=NOW,
    )


async def test_what_was_heard_is_forgotten_when_its_tokens_have_expired(database):
    clock, ended = MovableClock(NOW), new_id()
    denylist = Denylist(database.reads, clock=clock)
    async with database.transaction() as session:
        await denylist.add(session, ended, expires_at=NOW + timedelta(seconds=360))
    clock.advance(timedelta(seconds=359))
    await denylist.refresh()
    assert await denylist.is_revoked(principal(ended))
    clock.advance(timedelta(seconds=1))
    await denylist.refresh()
    assert not await denylist.is_revoked(principal(ended))


async def test_a_session_that_is_told_of_twice_is_refused_for_the_longer_time(database, admin):
    ended = new_id()
    denylist = Denylist(database.reads, clock=SystemClock())
    for minutes in (1, 5, 3):
        async with database.transaction() as session:
            await denylist.add(session, ended, expires_at=NOW + timedelta(minutes=minutes))
    assert await admin.fetchval("SELECT expires_at FROM revoked_sessions") == NOW + timedelta(minutes=5)


class Reads:
    """A database that is away for the first reads; what it holds is one session."""

    def __init__(self, held: UUID, *, away: int) -> None:
        self.held, self.away, self.asked = held, away, 0
        self.there = asyncio.Event()

    async def first(self, _query):
        self.asked += 1
        if self.asked <= self.away:
            raise DatabaseUnavailable
        if self.asked > self.away + 1:
            self.there.set()
        return type("Row", (), {"session_ids": [self.held]})


async def test_an_outage_keeps_what_is_known_and_is_logged_once(database, logs, monkeypatch):
    monkeypatch.setattr("core.revocations.denylist.REFRESH_INTERVAL_S", 0.001)
    known, later = new_id(), new_id()
    denylist = Denylist(database.reads, clock=SystemClock())
    async with database.transaction() as session:
        await denylist.add(session, known, expires_at=datetime.now(UTC) + timedelta(minutes=5))
    await denylist.refresh()
    reads: Any = Reads(later, away=3)
    denylist._reads = reads
    task = asyncio.create_task(denylist.run())
    await asyncio.wait_for(reads.there.wait(), 60)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert await denylist.is_revoked(principal(known))
    assert await denylist.is_revoked(principal(later))
    assert [line["event"] for line in logs] == ["revocations wait", "revocations go on"]


async def test_a_failed_read_forgets_nothing(database):
    known = new_id()
    denylist = Denylist(database.reads, clock=SystemClock())
    denylist._stored = frozenset({known})
    away: Any = Reads(new_id(), away=1)
    denylist._reads = away
    with pytest.raises(DatabaseUnavailable):
        await denylist.refresh()
    assert await denylist.is_revoked(principal(known))


@pytest.mark.parametrize("nonsense", [10**18, 0, -300, True, "300", 300.0, None, [], float("inf")])
def test_a_lifetime_that_makes_no_sense_is_the_longest_there_is(nonsense):
    longest = NOW + timedelta(seconds=LIFETIME_S_MAX + LEEWAY_S_MAX)
    assert last_expiry(NOW.isoformat(), nonsense, now=NOW) == longest


@pytest.mark.parametrize("nonsense", ["9999-12-31T23:59:59Z", "2026-05-17T09:30:00", "yesterday", None, [], 10**30])
def test_an_instant_that_makes_no_sense_is_now(nonsense):
    assert last_expiry(nonsense, 300, now=NOW) == NOW + timedelta(seconds=300 + LEEWAY_S_MAX)


def test_tokens_are_refused_from_the_revocation_on_for_as_long_as_they_live():
    revoked_at = NOW - timedelta(minutes=2)
    assert last_expiry(revoked_at.isoformat(), 300, now=NOW) == revoked_at + timedelta(seconds=300 + LEEWAY_S_MAX)


async def test_nonsense_from_the_bus_ends_the_session_all_the_same(app, header, admin, arrives, becomes):
    ended = new_id()
    async with running(app) as client:
        await arrives(ended, access_token_lifetime_s=10**18, revoked_at="9999-12-31T23:59:59Z")
        await becomes(refused(client, header(ended)))
    limit = timedelta(seconds=LIFETIME_S_MAX + LEEWAY_S_MAX)
    assert await admin.fetchval("SELECT expires_at <= now() + $1 FROM revoked_sessions", limit)


async def test_what_has_expired_is_forgotten_with_how_far_its_events_have_come(database, admin):
    kept, over = new_id(), new_id()
    await revoked(admin, kept)
    await revoked(admin, over, expires="-1 s")
    sequence = "INSERT INTO inbox_sequences VALUES ($1, $2, 1)"
    for consumer, session_id in ((HEARING, kept), (HEARING, over), ("another", over)):
        await admin.execute(sequence, consumer, format_id("ses", session_id))
    more = "INSERT INTO revoked_sessions SELECT gen_random_uuid(), now() FROM generate_series(1, $1)"
    await admin.execute(more, ROWS_MAX)
    await forget_revoked(database)
    assert await admin.fetch("SELECT session_id FROM revoked_sessions") == [(kept,)]
    left = {tuple(row) for row in await admin.fetch("SELECT consumer, subject FROM inbox_sequences")}
    assert left == {(HEARING, format_id("ses", kept)), ("another", format_id("ses", over))}


class OneRevoked:
    """What a service knows by itself."""

    def __init__(self, session_id: UUID) -> None:
        self.session_id = session_id

    async def is_revoked(self, principal: Principal) -> bool:
        return principal.session_id == self.session_id


async def test_a_service_that_knows_by_itself_is_asked_and_subscribes_to_nothing(settings, ports, header):
    ended = new_id()

    @asynccontextmanager
    async def open_revocations(_resources):
        yield OneRevoked(ended)

    declared = [Resource(Revocations, open_revocations)]
    app = make_service("knower", settings, ports, routers=[exits], resources=declared)
    assert app.catalogue.subscriptions == []
    async with running(app) as client:
        assert await refused(client, header(ended))()
        assert not await refused(client, header(new_id()))()


@pytest.mark.parametrize(("issued_by", "heard"), [(None, []), ("hearer", []), ("users", [HEARING])])
async def test_a_service_hears_of_sessions_from_the_sibling_that_issues_its_tokens(settings, ports, issued_by, heard):
    tokens = settings.tokens.model_copy(update={"issued_by": issued_by})
    app = make_service("hearer", settings.model_copy(update={"tokens": tokens}), ports, routers=[])
    assert [each.consumer for each in app.catalogue.subscriptions] == heard
    assert [each.source for each in app.catalogue.subscriptions] == [issued_by] * len(heard)


async def test_a_service_without_an_issuer_believes_every_valid_token(settings, ports, admin, header):
    tokens = settings.tokens.model_copy(update={"issued_by": None})
    app = make_service("alone", settings.model_copy(update={"tokens": tokens}), ports, routers=[exits])
    ended = new_id()
    await revoked(admin, ended)
    async with running(app) as client:
        assert not await refused(client, header(ended))()
