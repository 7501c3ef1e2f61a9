"""Whose turn a row is: in order within a lane, one replica at a time, and nobody waits for what is stuck elsewhere."""

import asyncio
from base64 import b64encode
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

import asyncpg
import pytest
from sqlalchemy import event as sqlalchemy_event

from core.database import open_database
from core.errors import Unavailable
from core.events.queues import INBOX, OUTBOX, Leases

FILL = """
    INSERT INTO outbox (id, type, subject, sequence, time, data)
    SELECT gen_random_uuid(), 'thing.made', format($1, number % $3), number, now(), '{}'
    FROM generate_series(1, $2) AS number
"""
FILL_INBOX = """
    INSERT INTO inbox (event_id, consumer, source, type, subject, sequence, time, data)
    SELECT gen_random_uuid(), $1, 'shop', $2, 'thg_1', number, now(), '{}' FROM generate_series(1, $3) AS number
"""

# What a replica leaves behind that died at work.
LEFT = "UPDATE outbox SET leased_until = now() - interval '1 s', attempts = $1 WHERE sequence = $2"


@pytest.fixture
def leases(database) -> Leases:
    return Leases("example", database, OUTBOX)


@pytest.fixture
def fill(admin: asyncpg.Connection) -> Callable[..., object]:
    """`await fill(10, subjects=2)`: so many events, on so many subjects in turn."""
    return lambda events, *, subjects=1, subject="thg_%s": admin.execute(FILL, subject, events, subjects)


@pytest.fixture
def first_is(admin: asyncpg.Connection) -> Callable[[str], object]:
    """`await first_is("sent_at = now()")`: from here on that is so of the first event of `thg_0`."""
    head = "position = (SELECT min(position) FROM outbox WHERE subject = 'thg_0')"
    return lambda values: admin.execute(f"UPDATE outbox SET {values} WHERE {head}")  # noqa: S608 - the tests' own


@pytest.mark.parametrize("subjects", [3, 900])
async def test_three_replicas_at_once_take_every_lane_in_order(settings, leases, fill, outbox, subjects):
    await fill(1_800, subjects=subjects)
    holder: dict[str, int] = {}
    taken: dict[str, list[int]] = defaultdict(list)

    async def replica(number: int, own: Leases) -> None:
        while sum(map(len, taken.values())) < 1_800:
            claimed = await own.claim(60)
            for each in claimed:
                subject = each.event.subject
                # Nobody else has any of the lane.
                assert holder.setdefault(subject, number) == number
                taken[subject].append(each.event.sequence)
            for subject in {each.event.subject for each in claimed}:
                del holder[subject]
            await own.succeed(claimed)

    async with (
        open_database(settings.database, name="second") as second,
        open_database(settings.database, name="third") as third,
        asyncio.TaskGroup() as replicas,
    ):
        for number, database in enumerate((leases.database, second, third)):
            replicas.create_task(replica(number, replace(leases, database=database)))
    assert all(sequences == sorted(sequences) for sequences in taken.values())
    assert sum(map(len, taken.values())) == 1_800
    assert {row["attempts"] for row in await outbox()} == {1}


async def test_what_another_replica_is_taking_leaves_no_gap(leases, fill, admin, outbox):
    await fill(6, subjects=2)
    first = await outbox()
    async with admin.transaction():
        # Seen as free by whoever claims now, but not to be had.
        await admin.execute("SELECT FROM outbox WHERE position = $1 FOR UPDATE", first[2]["position"])
        claimed = await leases.claim(10)
    held_back = first[2]["subject"]
    positions = [row["position"] for row in first]
    expected = [
        at for at, row in zip(positions, first, strict=True) if row["subject"] != held_back or at < positions[2]
    ]
    assert [each.position for each in claimed] == expected


async def test_a_claim_has_its_limit_and_begins_with_the_oldest(leases, fill, outbox):
    await fill(5, subjects=5)
    claimed = await leases.claim(3)
    assert [each.position for each in claimed] == [row["position"] for row in (await outbox())[:3]]
    assert len(await leases.claim(3)) == 2


@pytest.mark.parametrize(
    ("name", "claimed"),
    [
        ("chair", 9),
        # Stored in a few bytes, and sent in many.
        ("x" * 5_000, 3),
        (b64encode(b"".join(sha256(bytes([number])).digest() for number in range(117))).decode(), 3),
    ],
)
async def test_a_claim_of_large_events_ends_when_it_has_enough_bytes(
    leases, fill, admin, outbox, monkeypatch, name, claimed
):
    monkeypatch.setattr("core.events.queues.leases.BYTES_MAX", 12_000)
    await fill(9, subjects=3)
    await admin.execute("UPDATE outbox SET data = jsonb_build_object('name', $1::text)", name)
    positions = [row["position"] for row in await outbox()]
    assert [each.position for each in await leases.claim(10)] == positions[:claimed]


async def test_an_event_of_more_bytes_than_a_claim_comes_alone(leases, fill, outbox, monkeypatch):
    monkeypatch.setattr("core.events.queues.leases.BYTES_MAX", 1)
    await fill(2)
    for row in await outbox():
        claimed = await leases.claim(10)
        assert [each.position for each in claimed] == [row["position"]]
        await leases.succeed(claimed)


@pytest.mark.parametrize(
    "stuck",
    ["attempts = 1, leased_until = now() + interval '1 min'", "attempts = 1, due_at = now() + interval '1 min'"],
)
async def test_five_thousand_events_behind_one_that_is_stuck_take_no_place_of_others(leases, fill, first_is, stuck):
    await fill(5_000)
    await fill(3, subjects=3, subject="other_%s")
    await first_is(stuck)
    assert sorted(each.event.subject for each in await leases.claim(10)) == ["other_0", "other_1", "other_2"]


@pytest.mark.parametrize("over", ["due_at = now(), leased_until = NULL", "leased_until = now() - interval '1 s'"])
async def test_a_lane_goes_on_when_its_first_is_free_again(leases, fill, first_is, over):
    await fill(3)
    await first_is(f"attempts = 1, {over}")
    assert [each.attempts for each in await leases.claim(10)] == [2, 1, 1]


@pytest.mark.parametrize("done", ["sent_at", "dead_at"])
async def test_what_is_done_or_dead_is_nobodys_and_holds_back_nobody(leases, fill, first_is, done):
    await fill(3)
    await first_is(f"{done} = now(), attempts = 1, due_at = 'infinity'")
    assert [each.event.sequence for each in await leases.claim(10)] == [2, 3]


async def test_what_is_delayed_waits_and_holds_back_nobody(leases, fill, first_is):
    await fill(3)
    await first_is("due_at = now() + interval '1 hour'")
    assert [each.event.sequence for each in await leases.claim(10)] == [2, 3]


async def test_rows_that_the_caller_cannot_work_on_are_left_and_hold_back_nobody(leases, admin):
    for consumer, type_ in (("known", "thing.lost"), ("known", "thing.made"), ("new", "thing.made")):
        await admin.execute(FILL_INBOX, consumer, type_, 1)
    known = replace(INBOX, where=lambda rows: (rows.c.consumer == "known") & (rows.c.type == "thing.made"))
    [claimed] = await replace(leases, queue=known).claim(10)
    assert (claimed.consumer, claimed.event.type, claimed.lane) == ("known", "thing.made", ("known", "thg_1"))
    assert await admin.fetchval("SELECT count(*) FROM inbox WHERE attempts = 0") == 2


@pytest.mark.parametrize("attempts", [3, 12])
async def test_what_may_end_processes_is_taken_alone(leases, fill, outbox, admin, attempts):
    await fill(6, subjects=2)
    second = (await outbox())[1]["position"]
    await admin.execute(LEFT, attempts, 2)
    for _ in range(2):
        [claimed] = await leases.claim(10)
        # To give it back clears it of nothing.
        await leases.give_back([claimed])
    [claimed] = await leases.claim(10)
    assert (claimed.position, claimed.is_suspect, claimed.is_abandoned) == (second, True, attempts == 12)
    assert [row["attempts"] for row in await outbox()] == [0, attempts + 1, 0, 0, 0, 0]
    # The rest of its lane waits; the others do not.
    assert len(await leases.claim(10)) == 3


async def test_neither_what_failed_often_nor_what_was_left_twice_is_suspected(leases, fill, admin):
    await fill(3)
    await admin.execute("UPDATE outbox SET attempts = 11 WHERE sequence = 1")
    await admin.execute(LEFT, 2, 2)
    assert [each.is_suspect for each in await leases.claim(10)] == [False] * 3


async def test_what_comes_before_a_suspect_goes_first_and_alone(leases, fill, admin):
    await fill(3)
    await admin.execute(LEFT, 3, 2)
    [claimed] = await leases.claim(10)
    assert (claimed.event.sequence, claimed.is_suspect) == (1, False)


async def test_a_claim_that_is_stopped_gives_back_what_it_took(leases, fill, outbox):
    await fill(3)
    claiming = asyncio.create_task(leases.claim(10))
    engine = leases.database.engine.sync_engine

    def stop(_connection, _cursor, statement: str, *_: object) -> None:
        if "candidates" in statement:
            claiming.cancel()

    sqlalchemy_event.listen(engine, "after_cursor_execute", stop)
    await asyncio.wait([claiming])
    assert claiming.cancelled()
    assert [(row["attempts"], row["leased_until"]) for row in await outbox()] == [(0, None)] * 3


async def test_a_claim_that_is_stopped_on_its_way_to_a_suspect_leaves_nothing_leased(leases, fill, outbox, admin):
    await fill(3)
    await admin.execute(LEFT, 3, 1)
    claiming = asyncio.create_task(leases.claim(10))
    engine = leases.database.engine.sync_engine

    def stop(_connection, _cursor, statement: str, *_: object) -> None:
        if "candidates" not in statement:
            claiming.cancel()

    sqlalchemy_event.listen(engine, "after_cursor_execute", stop)
    await asyncio.wait([claiming])
    assert claiming.cancelled()
    assert [row["attempts"] for row in await outbox()] == [3, 0, 0]
    assert await admin.fetchval("SELECT bool_and(leased_until IS NULL OR leased_until < now()) FROM outbox")


@pytest.mark.parametrize("late", ["succeed", "fail", "abandon", "give_back"])
async def test_who_lost_a_lease_can_record_nothing(leases, fill, outbox, admin, late):
    await fill(1)
    [lost] = await leases.claim(1)
    await admin.execute("UPDATE outbox SET leased_until = now() - interval '1 s'")
    [taken] = await leases.claim(1)
    outcomes = {"fail": lambda: leases.fail(lost, KeyError()), "abandon": lambda: leases.abandon(lost)}
    await outcomes.get(late, lambda: getattr(leases, late)([lost]))()
    [row] = await outbox()
    assert (row["attempts"], row["sent_at"], row["dead_at"], row["last_error"]) == (2, None, None, None)
    assert row["leased_until"] is not None
    await leases.succeed([taken])
    [row] = await outbox()
    assert row["sent_at"] is not None


async def test_what_is_done_stays_done(leases, fill, outbox):
    await fill(1)
    claimed = await leases.claim(1)
    await leases.succeed(claimed)
    await leases.give_back(claimed)
    await leases.fail(claimed[0], KeyError())
    [row] = await outbox()
    assert (row["attempts"], row["last_error"]) == (1, None)


@pytest.mark.parametrize(("attempts_before", "backoff_s"), [(0, 2), (5, 64), (10, 300)])
async def test_a_failure_is_due_again_later_each_time(leases, fill, outbox, admin, attempts_before, backoff_s):
    await fill(1)
    await admin.execute("UPDATE outbox SET attempts = $1", attempts_before)
    [claimed] = await leases.claim(1)
    await leases.fail(claimed, RuntimeError("canary-secret"))
    [row] = await outbox()
    assert (row["attempts"], row["leased_until"], row["dead_at"]) == (attempts_before + 1, None, None)
    # The rest of the pause may have passed already, on a slow machine.
    due_in = await admin.fetchval("SELECT extract(epoch FROM due_at - now()) FROM outbox")
    assert backoff_s / 2 - 30 <= due_in <= backoff_s
    assert row["last_error"] == "RuntimeError"
    assert "canary" not in str(dict(row))


async def test_the_twelfth_failure_is_the_last(leases, fill, outbox, admin, logs):
    await fill(1)
    await admin.execute("UPDATE outbox SET attempts = 11")
    [claimed] = await leases.claim(1)
    await leases.fail(claimed, RuntimeError())
    [row] = await outbox()
    assert (row["attempts"], row["last_error"]) == (12, "RuntimeError")
    assert row["dead_at"] is not None
    assert [line["event_id"] for line in logs if line["event"] == "event is dead"] == [str(claimed.event.id)]


async def test_an_outage_takes_no_more_than_eight_attempts_however_long_it_lasts(leases, fill, outbox, admin):
    await fill(2)
    counted, pauses = [], []
    for _ in range(30):
        [claimed] = await leases.claim(1)
        await leases.fail(claimed, Unavailable())
        counted.append((await outbox())[0]["attempts"])
        # The order of its lane is kept.
        assert await leases.claim(10) == []
        pauses.append((await admin.fetchval("SELECT due_at - now() FROM outbox WHERE sequence = 1")).total_seconds())
        await admin.execute("UPDATE outbox SET due_at = now() WHERE sequence = 1")
    assert counted == [*range(1, 8), *[8] * 23]
    # The rest of a pause may have passed already, on a slow machine.
    assert all(150 - 30 <= pause <= 300 for pause in pauses[9:])
    [row, _] = await outbox()
    assert (row["last_error"], row["dead_at"]) == ("Unavailable", None)


async def test_what_failed_eleven_times_outlasts_an_outage_and_no_further_failure(leases, fill, outbox, admin):
    await fill(1)
    await admin.execute("UPDATE outbox SET attempts = 11")
    for failure, attempts in ((Unavailable(), 11), (Unavailable(), 11), (RuntimeError(), 12)):
        [claimed] = await leases.claim(1)
        await leases.fail(claimed, failure)
        [row] = await outbox()
        assert (row["attempts"], row["dead_at"] is None) == (attempts, attempts == 11)
        await admin.execute("UPDATE outbox SET due_at = now()")


async def test_who_lost_a_lease_and_comes_after_an_outage_ends_no_claim_of_another(leases, fill, outbox, admin):
    await fill(1)
    await admin.execute("UPDATE outbox SET attempts = 8")
    [lost] = await leases.claim(1)
    await admin.execute("UPDATE outbox SET leased_until = now() - interval '1 s'")
    [taken] = await leases.claim(1)
    await leases.fail(taken, Unavailable())
    await admin.execute("UPDATE outbox SET due_at = now()")
    await leases.claim(1)
    await leases.fail(lost, RuntimeError())
    [row] = await outbox()
    assert (row["attempts"], row["last_error"], row["leased_until"] is None) == (10, "Unavailable", False)


async def test_what_nobody_lived_to_tell_keeps_the_last_failure_that_was_told(leases, fill, outbox, admin):
    await fill(1)
    await admin.execute("UPDATE outbox SET attempts = 12, last_error = 'KeyError'")
    [claimed] = await leases.claim(1)
    await leases.abandon(claimed)
    [row] = await outbox()
    assert (row["last_error"], row["dead_at"] is not None) == ("KeyError", True)
