"""`example events`: what is announced and handled, and what became of it."""

import io
import json
import re
import sys
from functools import partial
from uuid import UUID

import pytest

from core.application import service
from core.events.upkeep import dead as dead_events

URL = "postgresql://u:hunter2-canary@127.0.0.1:1/d"
HANDLER = "example.things.handlers.announce_thing"
A, B, C = (f"00000000-0000-7000-8000-00000000000{number}" for number in range(3))
DEAD_IN_OUTBOX = """
    INSERT INTO outbox (id, type, subject, sequence, time, data, attempts, due_at, dead_at, last_error)
    VALUES ('{id}', '{type}', 'thg_1', 1, now(), '{{}}', 12, '2026-01-02T03:04:05Z', '{since}', 'OSError')
"""
DEAD_IN_INBOX = """
    INSERT INTO inbox (consumer, event_id, source, type, subject, sequence, time, data, attempts, dead_at, last_error)
    VALUES ('{consumer}', '{id}', 'example', '{type}', 'thg_1', 1, now(), '{{}}', 12, '{since}', {error})
"""
STATE = """
    SELECT (attempts, dead_at, {done_at} IS NOT NULL, due_at > now() - interval '1 hour', last_error)::text
    FROM {table} ORDER BY position
"""
DUE, DONE = "(0,,f,t,)", "(12,,t,t,KeyError)"
DEAD = '(12,"2026-01-01 12:00:00+00",f,f,OSError)'


@pytest.fixture
def database(migrated):
    return {"EXAMPLE_ENVIRONMENT": "local", "EXAMPLE_DATABASE__URL": migrated, "EXAMPLE_LOGS__FORMAT": "json"}


@pytest.fixture
def die(execute):
    """`die(A, at="inbox")`: an event that was given up, on some day of January."""

    def insert(id_, *, at="outbox", type_="thing.made", day=1, consumer=HANDLER, error="'KeyError'"):
        row = DEAD_IN_OUTBOX if at == "outbox" else DEAD_IN_INBOX
        since = f"2026-01-{day:02}T12:00:00Z"
        execute(row.format(id=id_, type=type_, since=since, consumer=consumer, error=error))

    return insert


@pytest.fixture
def state(execute):
    """What an event of the outbox, and what one of the inbox, has come to."""

    def look():
        return (
            execute(STATE.format(table="outbox", done_at="sent_at")),
            execute(STATE.format(table="inbox", done_at="handled_at")),
        )

    return look


def words(said):
    """What typer says in a box."""
    return " ".join(re.sub("[│╭╮╰╯─]", " ", said).split())


def test_what_a_service_declares_is_listed_with_what_waits(run, database, die, execute):
    die(A)
    die(B, at="inbox")
    execute(
        """
        INSERT INTO inbox (consumer, event_id, source, type, subject, sequence, time, data)
        VALUES ($1, gen_random_uuid(), 'example', 'thing.made', 'thg_1', 1, now(), '{}')
    """,
        HANDLER,
    )
    ran = run("events", **database)
    assert (ran.code, ran.err) == (0, "")
    assert [line.split() for line in ran.out.splitlines()] == [
        ["announces"],
        ["thing.changed", "id:", "str,", "name:", "str,", "note:", "str", "|", "None"],
        ["thing.made", "id:", "str,", "name:", "str,", "note:", "str", "|", "None"],
        ["handles"],
        ["thing.made", "of", "example", HANDLER, "(once)"],
        ["tells", "again"],
        ["things"],
        ["outbox", "0", "due,", "0", "delayed,", "0", "retrying,", "1", "dead"],
        ["inbox", "1", "due,", "0", "delayed,", "0", "retrying,", "1", "dead"],
    ]


def test_a_service_without_events_says_so(run, database, execute, monkeypatch):
    monkeypatch.setattr("example.app.create_app", partial(service, "example", routers=[]))
    assert run("events", **database).out.splitlines()[:3] == [
        "announces nothing",
        "handles nothing",
        "tells again nothing",
    ]


def test_dead_events_are_listed_the_one_that_died_first_before_the_others(run, database, die):
    die(B, at="inbox", day=2)
    die(A, day=3, type_="thing.changed")
    die(C, at="inbox", day=1, error="NULL")
    ran = run("events", "dead", **database)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        f"{C}  thing.made  thg_1  since 2026-01-01T12:00:00Z  attempts 12: its process ended  {HANDLER}",
        f"{B}  thing.made  thg_1  since 2026-01-02T12:00:00Z  attempts 12: KeyError  {HANDLER}",
        f"{A}  thing.changed  thg_1  since 2026-01-03T12:00:00Z  attempts 12: OSError  not published",
    ]
    assert run("events", "dead", "--type", "thing.changed", **database).out.split()[0] == A
    assert run("events", "dead", "--consumer", "nobody", **database) == (0, "", "")


def test_what_is_not_shown_is_counted(run, database, die):
    die(A, day=1)
    die(B, at="inbox", day=2)
    die(C, at="inbox", day=3)
    ran = run("events", "dead", "--most", "1", "--json", **database)
    assert [json.loads(line) for line in ran.out.splitlines()] == [
        {
            "id": A,
            "type": "thing.made",
            "subject": "thg_1",
            "consumer": None,
            "attempts": 12,
            "dead_at": "2026-01-01T12:00:00Z",
            "last_error": "OSError",
            "is_superseded": False,
        }
    ]
    assert ran.err == "2 more are not shown.\n"


def test_an_event_whose_subject_is_further_is_told_from_the_others(run, database, die, execute):
    die(A, at="inbox")
    execute("INSERT INTO inbox_sequences VALUES ($1, 'thg_1', 1), ('another', 'thg_1', 7)", HANDLER)
    assert run("events", "dead", **database).out.endswith(f"{HANDLER}  superseded\n")
    execute("UPDATE inbox SET sequence = 2")
    assert run("events", "dead", **database).out.endswith(f"{HANDLER}\n")
    # Without an order, nothing is passed over.
    execute("UPDATE inbox SET sequence = 0")
    assert run("events", "dead", **database).out.endswith(f"{HANDLER}\n")


def test_a_dead_event_is_due_again_and_the_others_stay_dead(run, database, die, state):
    die(A)
    die(B)
    die(A, at="inbox", consumer="one")
    die(A, at="inbox", consumer="another")
    ran = run("events", "retry", A, "--consumer", "one", **database)
    assert (ran.code, ran.out, ran.err) == (0, "1 event is due again; a running example takes them.\n", "1 / 1\n")
    dead = '(12,"2026-01-01 12:00:00+00",f,t,KeyError)'
    assert state() == ([DEAD, DEAD], [DUE, dead])


def test_all_of_a_type_are_due_again_page_by_page(run, database, die, state, monkeypatch):
    monkeypatch.setattr(dead_events, "EVENTS_MAX", 2)
    monkeypatch.setattr("core.cli.progress.PAUSE_S", 0)
    for number in range(3):
        die(UUID(int=number), type_="thing.changed")
    die(A)
    die(B, at="inbox", type_="thing.changed")
    ran = run("events", "retry", "--all", "--type", "thing.changed", **database)
    assert ran.out == "4 events are due again; a running example takes them.\n"
    assert ran.err.splitlines() == ["2 / 4", "3 / 4", "4 / 4"]
    assert state() == ([DUE, DUE, DUE, DEAD], [DUE])


def test_it_is_said_how_many_will_be_passed_over(run, database, die, execute):
    die(A, at="inbox")
    die(B, at="inbox")
    execute("INSERT INTO inbox_sequences VALUES ($1, 'thg_1', 1)", HANDLER)
    execute("UPDATE inbox SET sequence = 2 WHERE event_id = $1", B)
    assert run("events", "retry", "--all", **database).out.splitlines() == [
        "2 events are due again; a running example takes them.",
        "Of these, 1 event is passed over: the handler knows a later state of the subject.",
    ]


@pytest.mark.parametrize("command", [["retry"], ["discard", "--yes"]])
def test_with_an_event_that_is_not_dead_nothing_is_done(run, database, die, state, command):
    die(A)
    before = state()
    ran = run("events", *command, A, B, C, **database)
    assert (ran.code, ran.out) == (2, "")
    assert f"no such event is dead: {B}, {C}" in words(ran.err)
    assert state() == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["retry"], "either name events, or say --all"),
        (["retry", A, "--all"], "either name events, or say --all"),
        (["discard", "--all"], "--all needs --type here"),
        (["retry", "thing"], "Input should be a valid UUID"),
    ],
)
def test_what_is_meant_must_be_said(run, database, arguments, said):
    ran = run("events", *arguments, **database)
    assert (ran.code, ran.out) == (2, "")
    assert said in words(ran.err)


def test_what_is_discarded_is_done_and_stands_in_the_log(run, database, die, state):
    die(A)
    die(B, at="inbox", type_="thing.changed")
    die(C, at="inbox", type_="thing.changed")
    ran = run("events", "discard", "--all", "--type", "thing.changed", "--yes", **database)
    *logged, said = ran.out.splitlines()
    assert (ran.code, said) == (0, "2 events are discarded.")
    names = ("event", "service.name", "event_type", "event_id", "subject", "consumer", "last_error")
    assert [[json.loads(line)[name] for name in names] for line in logged] == [
        ["event discarded", "example", "thing.changed", id_, "thg_1", HANDLER, "KeyError"] for id_ in (B, C)
    ]
    assert state() == ([DEAD], [DONE, DONE])
    assert run("events", "dead", **database).out.split()[0] == A


@pytest.mark.parametrize("chosen", [[A], ["--all", "--type", "thing.made"]])
def test_dead_ones_of_a_handler_that_is_here_are_discarded(run, database, die, state, chosen):
    die(A, at="inbox")
    die(A, at="inbox", consumer="another")
    ran = run("events", "discard", *chosen, "--consumer", HANDLER, "--yes", **database)
    assert ran.out.splitlines()[-1] == "1 event is discarded."
    assert state() == ([], [DONE, '(12,"2026-01-01 12:00:00+00",f,t,KeyError)'])


@pytest.mark.parametrize(("answer", "outcome"), [("y\n", "(12,,t,f,OSError)"), ("n\n", DEAD)])
def test_nothing_is_discarded_unasked(run, database, die, state, monkeypatch, answer, outcome):
    die(A)
    monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
    ran = run("events", "discard", A, **database)
    assert ran.code == (0 if answer == "y\n" else 1)
    assert state() == ([outcome], [])


def test_a_database_that_is_away_is_one_sentence(run):
    ran = run("events", "dead", EXAMPLE_ENVIRONMENT="local", EXAMPLE_DATABASE__URL=URL)
    assert (ran.code, ran.err.count("\n")) == (3, 1)
    assert ran.err.startswith("example: database did not open")
    assert "canary" not in ran.err


@pytest.mark.parametrize("arguments", [["dead"], ["retry", "--all"], ["replay"]])
def test_a_database_that_is_not_migrated_is_one_sentence(run, postgres, arguments):
    postgres.create_database("cli_events_empty")
    empty = {"EXAMPLE_ENVIRONMENT": "local", "EXAMPLE_DATABASE__URL": postgres.url("cli_events_empty")}
    ran = run("events", *arguments, **empty)
    postgres.drop_database("cli_events_empty")
    assert ran == (1, "", "example: the database lacks what this code needs: run `example migrate`\n")


def test_a_command_opens_no_bus(run, database, execute, monkeypatch):
    # Whoever opens one fails: it takes no argument.
    monkeypatch.setattr("core.application.factory.open_bus", lambda: None)
    assert run("events", "dead", **database) == (0, "", "")


def test_a_denylist_that_cannot_be_read_is_a_database_that_is_not_migrated(run, postgres):
    postgres.create_database("cli_events_without")
    environment = {
        "EXAMPLE_ENVIRONMENT": "local",
        "EXAMPLE_DATABASE__URL": postgres.url("cli_events_without"),
        "EXAMPLE_TOKENS__ISSUED_BY": "users",
        "EXAMPLE_TOKENS__ISSUER": "https://users.example",
    }
    ran = run("events", "dead", **environment)
    postgres.drop_database("cli_events_without")
    assert ran == (1, "", "example: the database lacks what this code needs: run `example migrate`\n")
