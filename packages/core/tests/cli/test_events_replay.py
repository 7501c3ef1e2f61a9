"""`example events replay`: what is, told again; and how it goes on where it stopped."""

import os
import signal
from functools import partial
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from core.application import service
from core.errors import Conflict
from core.events import Replays
from core.events.upkeep import replaying

THING = "00000000-0000-7000-8000-{:012}"
SENT = "What is not sent yet stands in the outbox; a running example sends it."


@pytest.fixture
def database(migrated):
    return {"EXAMPLE_ENVIRONMENT": "local", "EXAMPLE_DATABASE__URL": migrated}


@pytest.fixture
def make(execute):
    """`make(3)`: so many things, of version 4, numbered from 1 on."""

    def things(count):
        statement = """
            INSERT INTO things (id, name, version, created_at, announced)
            SELECT ('00000000-0000-7000-8000-' || lpad(number::text, 12, '0'))::uuid, 'thing ' || number, 4, now(), 0
            FROM generate_series(1, $1::int) AS number
        """
        execute(statement, count)

    return things


@pytest.fixture
def told(execute):
    """What was told of which thing, in its order."""
    return lambda: execute("SELECT data->>'name' || ' ' || type || ' ' || sequence FROM outbox ORDER BY position")


def test_everything_is_told_as_it_is_page_by_page(run, database, make, told, monkeypatch):
    monkeypatch.setattr(replaying, "THINGS_MAX", 2)
    monkeypatch.setattr("core.cli.progress.PAUSE_S", 0)
    make(3)
    ran = run("events", "replay", **database)
    assert (ran.code, ran.out.splitlines()) == (0, ["things: 3 told", SENT])
    assert ran.err.splitlines() == [
        "things 0 / 3",
        f"things 2 / 3, through {THING.format(2)}",
        f"things 3 / 3, through {THING.format(3)}",
    ]
    assert told() == [f"thing {number} thing.changed 4" for number in (1, 2, 3)]


def test_it_goes_on_after_the_one_that_is_named(run, database, make, told):
    make(3)
    ran = run("events", "replay", "things", "--after", THING.format(2), **database)
    assert (ran.code, ran.out.splitlines()) == (0, ["things: 1 told", SENT])
    assert told() == ["thing 3 thing.changed 4"]


def test_what_cannot_be_told_is_refused_with_what_can(run, database, monkeypatch):
    ran = run("events", "replay", "things", "nothing", **database)
    assert ran.code == 2
    assert "there is no replay nothing, but things" in " ".join(ran.err.replace("│", "").split())
    monkeypatch.setattr("example.app.create_app", partial(service, "example", routers=[]))
    assert "example declares no replay" in run("events", "replay", **database).err


@pytest.mark.parametrize(("signalled", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_who_ends_it_is_told_how_to_go_on(start, database, make, told, execute, eventually, signalled, code):
    make(3)
    fill = """
        INSERT INTO outbox (id, type, subject, sequence, time, data)
        SELECT gen_random_uuid(), 'thing.made', 'thg_1', 1, now(), '{}' FROM generate_series(1, $1::int)
    """
    execute(fill, replaying.UNSENT_MAX)
    after = THING.format(1)
    process = start("events", "replay", "--after", after, **database)
    waits = f"things 0 / 3, through {after}; waits until a running example has sent what is due\n"
    eventually(lambda: waits in process.said)
    os.killpg(process.popen.pid, signalled)
    assert process.ends() == code
    assert f"Stopped; to go on: example events replay things --after {after}\n" in process.said
    assert "Traceback" not in "".join(process.said)
    assert len(told()) == replaying.UNSENT_MAX


def test_a_failure_says_how_to_go_on_and_what_is_left(run, database, make, monkeypatch):
    replays = Replays()

    async def two(_session, _resources):
        return 2

    @replays.of("first", count=two)
    async def retell_first(_session, _resources, after, _limit):
        return [UUID(int=2)] if after == UUID(int=1) else []

    @replays.of("second", count=two)
    async def retell_second(_session, _resources, after, limit):
        assert limit == 50
        if after:
            raise Conflict("there is no second page")
        return [UUID(int=3)]

    @replays.of("third", count=two)
    async def retell_third(_session, _resources, _after, _limit):
        raise AssertionError

    monkeypatch.setattr("example.app.create_app", partial(service, "example", routers=[], replays=[replays]))
    ran = run("events", "replay", "--after", str(UUID(int=1)), "--rate", "50", **database)
    assert (ran.code, ran.out) == (1, "")
    assert "second 0 / 2" in ran.err.splitlines()
    assert ran.err.splitlines()[-2:] == [
        f"Stopped; to go on: example events replay second third --after {UUID(int=3)} --rate 50",
        "there is no second page",
    ]


def test_a_mistake_of_a_replay_has_its_traceback(run, database, monkeypatch, capfd):
    replays = Replays()

    async def one(session, _resources):
        return await session.scalar(text("SELECT 1"))

    @replays.of("things", count=one)
    async def retell(session, *_given):
        return (await session.scalars(text("SELECT !"))).all()

    monkeypatch.setattr("example.app.create_app", partial(service, "example", routers=[], replays=[replays]))
    with pytest.raises(ProgrammingError):
        run("events", "replay", **database)
    assert capfd.readouterr().err.splitlines()[-1] == "Stopped; to go on: example events replay things"
