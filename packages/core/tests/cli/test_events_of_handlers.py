"""`example events forget`, `rename` and `discard --consumer`: what is kept under the name of a handler."""

import asyncio
import io
import json
import re
import sys
from functools import partial

import asyncpg
import pytest
from example.things import handlers as things_handlers

from core.application import service
from core.events import Handlers
from core.events.upkeep import orphans

HANDLER = "example.things.handlers.announce_thing"
OLD = "example.things.handlers.tell_thing"
SUBJECTS = """
    INSERT INTO inbox_sequences SELECT $1, 'thg_' || number, number FROM generate_series(1, $2::int) AS number
"""
STORE = """
    INSERT INTO inbox (consumer, event_id, source, type, subject, sequence, time, data, received_at)
    SELECT $1, gen_random_uuid(), $3, $2, 'thg_' || number, number, now(), '{}', now() - $4 * interval '1 second'
    FROM generate_series(1, $5::int) AS number
"""
EVENTS_KEPT = """
    SELECT consumer, count(*) FILTER (WHERE handled_at IS NULL AND dead_at IS NULL), count(handled_at), count(dead_at)
    FROM inbox GROUP BY 1 ORDER BY 1
"""
OTHERS = "A replica of another version may have that handler still, and go on storing events for it: stop those first."


@pytest.fixture
def execute(migrated):
    """`execute("UPDATE …")`: the rows that the statement gives."""

    def run(statement, *values):
        async def ask():
            connection = await asyncpg.connect(migrated)
            try:
                return [tuple(row) for row in await connection.fetch(statement, *values)]
            finally:
                await connection.close()

        return asyncio.run(ask())

    run("TRUNCATE outbox, inbox, inbox_sequences")
    return run


@pytest.fixture
def database(migrated):
    return {"EXAMPLE_ENVIRONMENT": "local", "EXAMPLE_DATABASE__URL": migrated, "EXAMPLE_LOGS__FORMAT": "json"}


@pytest.fixture
def store(execute):
    """`store(OLD, 2)`: events that wait for a handler."""

    def insert(consumer, count=1, *, type_="thing.made", source="example", age_s=0):
        execute(STORE, consumer, type_, source, age_s, count)

    return insert


@pytest.fixture
def know(execute):
    """`know(OLD, 2)`: subjects of which a handler knows how far it is."""
    return lambda consumer, count: execute(SUBJECTS, consumer, count)


@pytest.fixture
def kept(execute):
    """For whom how many events wait, were handled, are dead; and of how many subjects whom knows how far it is."""

    def look():
        return (
            execute(EVENTS_KEPT),
            execute("SELECT consumer, count(*) FROM inbox_sequences GROUP BY 1 ORDER BY 1"),
        )

    return look


@pytest.fixture
def answer(monkeypatch):
    return lambda said: monkeypatch.setattr(sys, "stdin", io.StringIO(f"{said}\n"))


def words(said):
    """What typer says in a box."""
    return " ".join(re.sub("[│╭╮╰╯─]", " ", said).split())


def refused(ran, why):
    return (ran.code, ran.out) == (2, "") and why in words(ran.err)


def test_a_handler_forgets_its_subjects_and_no_other_handler_does(run, database, know, kept):
    know(HANDLER, 3)
    know("another", 2)
    ran = run("events", "forget", HANDLER, "--yes", **database)
    assert (ran.code, ran.err) == (0, "3 forgotten\n")
    assert ran.out.splitlines() == ["3 subjects forgotten.", "To have it told again: example events replay"]
    assert kept() == ([], [("another", 2)])


@pytest.mark.parametrize(("said", "code", "left"), [("y", 0, []), ("n", 1, [(HANDLER, 1)])])
def test_nothing_is_forgotten_unasked(run, database, know, kept, answer, said, code, left):
    know(HANDLER, 1)
    answer(said)
    ran = run("events", "forget", HANDLER, **database)
    assert ran.code == code
    assert ran.out.splitlines()[0] == f"{HANDLER} knows how far it is with 1 subject."
    assert "superseded" not in ran.out
    assert kept() == ([], left)


def test_it_is_said_which_dead_events_would_undo_something(run, database, know, store, execute, answer):
    store(HANDLER, 2)
    store("another", 1)
    execute("UPDATE inbox SET dead_at = now()")
    execute("INSERT INTO inbox_sequences VALUES ($1, 'thg_1', 9), ('another', 'thg_1', 9)", HANDLER)
    answer("n")
    said = run("events", "forget", HANDLER, **database).out
    assert "Dead events of it that are superseded: 1. Retried after this, they would undo what is newer" in said


async def another(_event, _session, _resources):
    """Of a source of its own."""


def test_where_it_is_told_again_is_said(run, database, execute, monkeypatch):
    handlers = Handlers()
    for type_, source in (("user.updated", "users"), ("plan.made", "billing"), ("user.made", "users"), ("own", None)):
        handlers.once(type_, source=source)(things_handlers.announce_thing)
    handlers.once("parcel.sent", source="parcels")(another)
    monkeypatch.setattr("example.app.create_app", partial(service, "example", routers=[], handlers=[handlers]))
    assert run("events", "forget", HANDLER, "--yes", **database).out.splitlines() == [
        "0 subjects forgotten.",
        "To have it told again: billing events replay",
        "To have it told again: users events replay",
    ]


def test_work_of_its_own_is_told_again_by_nobody(run, database, execute, monkeypatch):
    own = partial(service, "example", routers=[], handlers=[things_handlers.handlers])
    monkeypatch.setattr("example.app.create_app", own)
    said = run("events", "forget", HANDLER, "--yes", **database).out
    assert said.splitlines()[1:] == ["Nothing tells it again: example declares no replay."]


@pytest.mark.parametrize("command", [["forget"], ["rename", OLD]])
def test_a_handler_that_is_not_here_is_refused_with_those_that_are(run, database, know, kept, monkeypatch, command):
    know(OLD, 1)
    ran = run("events", *command, "nobody", "--yes", **database)
    assert refused(ran, f"there is no handler nobody, but {HANDLER}")
    monkeypatch.setattr("example.app.create_app", partial(service, "example", routers=[]))
    assert refused(run("events", *command, "nobody", "--yes", **database), "example declares no handler")
    assert kept() == ([], [(OLD, 1)])


def test_what_waits_for_no_handler_here_is_listed(run, database, store, execute):
    store(OLD, 1, age_s=3 * 3600)
    store(OLD, 1)
    store(OLD, 1, type_="thing.changed")
    store(HANDLER, 1)
    # Neither this type nor this source is the handler's.
    store(HANDLER, 1, type_="thing.changed")
    store(HANDLER, 1, source="shop")
    store(OLD, 2, type_="done")
    execute("UPDATE inbox SET handled_at = now() WHERE type = 'done' AND subject = 'thg_1'")
    execute("UPDATE inbox SET dead_at = now() WHERE type = 'done' AND subject = 'thg_2'")
    lines = [
        re.sub(r"(\d+:\d\d):\d\d$", r"\1", " ".join(line.split()))
        for line in run("events", **database).out.splitlines()
    ]
    start = lines.index("no handler here")
    assert lines[start + 1 : -2] == [
        f"thing.changed of example {HANDLER} 1 waiting, the oldest for 0:00",
        f"thing.made of shop {HANDLER} 1 waiting, the oldest for 0:00",
        f"thing.changed of example {OLD} 1 waiting, the oldest for 0:00",
        f"thing.made of example {OLD} 2 waiting, the oldest for 3:00",
    ]
    assert lines[-1] == "inbox 6 due, 0 delayed, 0 retrying, 1 dead"


def test_a_handler_is_given_what_is_kept_for_the_name_that_it_had(run, database, store, know, kept, execute):
    store(OLD, 3)
    execute("UPDATE inbox SET handled_at = now() WHERE subject = 'thg_1'")
    execute("UPDATE inbox SET dead_at = now() WHERE subject = 'thg_2'")
    know(OLD, 2)
    store("another", 1)
    execute("UPDATE inbox SET leased_until = now() + interval '1 hour' WHERE consumer = 'another'")
    know("another", 1)
    ran = run("events", "rename", OLD, HANDLER, "--yes", **database)
    said = f"{HANDLER} knows what {OLD} knew, and 1 event waits for it that did for the other.\n"
    assert ran == (0, said, "")
    assert kept() == ([("another", 1, 0, 0), (HANDLER, 1, 1, 1)], [("another", 1), (HANDLER, 2)])


@pytest.mark.parametrize(("said", "code", "name"), [("y", 0, HANDLER), ("n", 1, OLD)])
def test_nothing_is_renamed_unasked(run, database, store, kept, answer, said, code, name):
    store(OLD, 2)
    answer(said)
    ran = run("events", "rename", OLD, HANDLER, **database)
    assert ran.code == code
    assert ran.out.splitlines()[0] == f"2 events wait for {OLD}. {OTHERS}"
    assert kept() == ([(name, 2, 0, 0)], [])


def test_a_name_that_is_a_handler_here_is_not_renamed(run, database, know, kept):
    know(HANDLER, 1)
    ran = run("events", "rename", HANDLER, HANDLER, "--yes", **database)
    assert refused(ran, f"{HANDLER} is a handler here")
    assert kept() == ([], [(HANDLER, 1)])


def test_a_name_of_which_nothing_is_kept_is_refused(run, database, store):
    store("another", 1)
    assert refused(run("events", "rename", OLD, HANDLER, "--yes", **database), f"nothing is kept for {OLD}")


def test_nothing_is_renamed_while_another_version_works_for_it(run, database, store, kept, execute):
    store(OLD, 1)
    execute("UPDATE inbox SET leased_until = now() + interval '1 minute', attempts = 1")
    ran = run("events", "rename", OLD, HANDLER, "--yes", **database)
    assert refused(ran, f"a replica handles events for {OLD} now: stop those of another version")
    assert kept() == ([(OLD, 1, 0, 0)], [])
    # One that was killed.
    execute("UPDATE inbox SET leased_until = now() - interval '1 second'")
    assert run("events", "rename", OLD, HANDLER, "--yes", **database).code == 0
    assert kept() == ([(HANDLER, 1, 0, 0)], [])


def test_what_a_handler_left_is_discarded_and_stands_in_the_log(run, database, store, kept, execute, monkeypatch):
    monkeypatch.setattr(orphans, "ROWS_MAX", 2)
    monkeypatch.setattr("core.cli.progress.PAUSE_S", 0)
    store(OLD, 1)
    execute("UPDATE inbox SET handled_at = now()")
    store(OLD, 3)
    execute("UPDATE inbox SET dead_at = now(), last_error = 'KeyError' WHERE subject = 'thg_1' AND handled_at IS NULL")
    store("another", 1)
    ran = run("events", "discard", "--consumer", OLD, "--yes", **database)
    *logged, said = ran.out.splitlines()
    assert (ran.code, ran.err, said) == (0, "2 / 3\n3 / 3\n", "3 discarded.")
    names = ("event", "service.name", "event_type", "subject", "consumer", "last_error")
    assert [[json.loads(line).get(name) for name in names] for line in logged] == [
        ["event discarded", "example", "thing.made", f"thg_{number}", OLD, failed]
        for number, failed in ((1, "KeyError"), (2, None), (3, None))
    ]
    assert kept() == ([("another", 1, 0, 0), (OLD, 0, 4, 0)], [])


def test_what_the_handler_still_takes_is_not_discarded(run, database, store, kept):
    store(HANDLER, 2)
    ran = run("events", "discard", "--consumer", HANDLER, "--yes", **database)
    assert refused(ran, f"nothing for {HANDLER} is without a handler: name events, or say --all")
    store(HANDLER, 1, type_="thing.changed")
    assert run("events", "discard", "--consumer", HANDLER, "--yes", **database).code == 0
    assert kept() == ([(HANDLER, 2, 1, 0)], [])


@pytest.mark.parametrize(("said", "code", "left"), [("y", 0, (OLD, 0, 1, 0)), ("n", 1, (OLD, 1, 0, 0))])
def test_what_a_handler_left_is_not_discarded_unasked(run, database, store, kept, answer, said, code, left):
    store(OLD, 1)
    answer(said)
    ran = run("events", "discard", "--consumer", OLD, **database)
    assert ran.code == code
    assert ran.out.splitlines()[0] == f"Events for {OLD} that nobody here handles, dead ones among them: 1. {OTHERS}"
    assert kept() == ([left], [])
