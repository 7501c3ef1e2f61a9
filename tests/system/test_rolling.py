"""Processes that stop, roll and die under load: who has asked is answered, and what was written is there once."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from load import NOTHING, Answer, Connection, Load
from processes import PATIENCE_S, run, until
from prometheus_client.parser import text_string_to_metric_families
from replicas import Replica

from core.ids import format_id
from core.local import Postgres
from core.testing.caddy import edge
from core.testing.network import free_port

TESTS_OF_CORE = Path(__file__).parents[2] / "packages" / "core" / "tests"
CREATED, OK = (201,), (200,)
READS = 3
REQUESTS_A_ROLL_MIN = 1_000


@dataclass
class Example:
    """The smallest whole service, in replicas on one database; and the names of the things that it has taken."""

    url: str
    environment: dict[str, str]
    folder: Path
    token: str
    taken: list[str] = field(default_factory=list)
    # What clients were answered whose replica had died, and what they go on to ask for.
    refused: list[Answer] = field(default_factory=list)
    pending: set[str] = field(default_factory=set)

    @contextmanager
    def replicas(self, count: int) -> Iterator[list[Replica]]:
        """So many of them, started."""
        with ExitStack() as running:
            started = [
                Replica("example", port=free_port(), environment=self.environment, folder=self.folder)
                for _ in range(count)
            ]
            for replica in started:
                running.enter_context(closing(replica))
                replica.start()
            yield started

    def load(self, url: str, **options: Any) -> Load:
        """Clients who make things, and read each of them."""
        options = {"visit": self.make_and_read, "clients": 8, **options}
        return Load(url, headers={"Authorization": f"Bearer {self.token}"}, **options)

    async def make_and_read(self, connection: Connection) -> None:
        """One thing, made and read; whatever goes wrong is a failure."""
        name = secrets.token_hex(8)
        made = await connection.ask("POST", "/v1/things", **asking(name), expected=CREATED)
        if made.status == 201:
            self.taken.append(name)
            await self.read(connection, made.json()["id"], name)

    async def read(self, connection: Connection, thing_id: str, name: str) -> None:
        """Reads it a few times."""
        for _ in range(READS):
            path = f"/v1/things/{thing_id}"
            answer = await connection.ask("GET", path, expected=OK)
            if answer.status == 200 and answer.json()["name"] != name:
                connection.fail(f"GET {path}", answer.body)

    async def insist(self, connection: Connection) -> None:
        """One thing, asked for by the same key until there is an answer; and once more, for the same answer."""
        name = secrets.token_hex(8)
        made = NOTHING
        while made.status != 201:
            made = await connection.ask("POST", "/v1/things", **asking(name), expected=(201, 409, 502, 503))
            if made.status in (502, 503):
                self.refused.append(made)
                self.pending.add(name)
        self.taken.append(name)
        self.pending.discard(name)
        again = await connection.ask("POST", "/v1/things", **asking(name), expected=CREATED)
        if again.status == 201 and again.json() != made.json():
            connection.fail("POST /v1/things again", again.body)

    def assert_everything_is_there_once(self) -> None:
        """Each thing that somebody was told of, and no other."""
        stored = asyncio.run(self.query("SELECT name FROM things"))
        assert sorted(row["name"] for row in stored) == sorted(self.taken)

    async def query(self, sql: str, *values: Any) -> Any:
        """What its database says."""
        async with self.database() as database:
            return await database.fetch(sql, *values)

    @asynccontextmanager
    async def database(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection to it."""
        connection = await asyncpg.connect(self.url)
        try:
            yield connection
        finally:
            await connection.close()


def asking(name: str) -> dict[str, Any]:
    return {"content": {"name": name}, "headers": {"Idempotency-Key": name}}


@pytest.fixture
def example(postgres: Postgres, tmp_path: Path) -> Iterator[Example]:
    """The example, migrated; it takes two seconds to stop, in which the edge hears of it."""
    database = f"rolling_{secrets.token_hex(4)}"
    environment = {
        "PYTHONPATH": str(TESTS_OF_CORE),
        "EXAMPLE_ENVIRONMENT": "local",
        "EXAMPLE_DATABASE__URL": postgres.url(database),
        "EXAMPLE_DATA_DIR": str(tmp_path / "data"),
        "EXAMPLE_LOGS__FORMAT": "json",
        "EXAMPLE_SERVER__DRAIN_DELAY_S": "2",
    }
    postgres.create_database(database)
    try:
        run("example", "migrate", environment=environment)
        token = run("example", "token", "--role", "admin", environment=environment).stdout.strip()
        yield Example(postgres.url(database), environment, tmp_path, token)
    finally:
        postgres.drop_database(database)


def said(replica: Replica, *events: str) -> list[dict[str, Any]]:
    """The lines of these events in the log."""
    # The last line may not be whole yet.
    lines = [line for line in replica.output.read_text().splitlines(keepends=True) if line.endswith("}\n")]
    return [each for each in map(json.loads, lines) if each["event"] in events]


def served(replica: Replica) -> int:
    return replica.output.read_bytes().count(b'"route":"/v1/things')


def is_served_by(replica: Replica, *, beyond: int, load: Load) -> bool:
    return served(replica) > beyond or bool(load.failures)


def test_a_process_that_is_told_to_stop_answers_all_who_have_reached_it(example: Example) -> None:
    with example.replicas(1) as (replica,), example.load(f"http://{replica.address}", clients=16) as load:
        for _ in range(2):
            before = load.requests
            until(lambda before=before: load.requests > before + 200, "nobody is answered")
            replica.stop()
            replica.start()
        load.stop()
        assert load.failures == []
        replica.stop()
    example.assert_everything_is_there_once()
    ends = [(line["event"], line.get("exit_code")) for line in said(replica, "stopping", "closed", "stopped")]
    assert ends == [("stopping", None), ("stopped", 0)] * 3
    assert said(replica, "requests were cut off") == []


def test_replicas_are_replaced_behind_the_edge_and_nobody_notices(
    example: Example, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    rolls = request.config.getoption("--rolls")
    with example.replicas(2) as replicas, at_the_edge(replicas) as url, example.load(url, pause_s=0.01) as load:
        for _ in range(rolls):
            for replica in replicas:
                replica.stop()
                replica.start()
                until(partial(is_served_by, replica, beyond=served(replica), load=load), "the edge sends it nothing")
        # However slowly, it goes on.
        while (before := load.requests) < rolls * REQUESTS_A_ROLL_MIN:
            until(lambda before=before: load.requests > before, "nobody is answered")
        load.stop()
        with capsys.disabled():
            print(f"\n{rolls} rolls: {load}")  # noqa: T201 - what was held, for whoever soaks
        assert load.failures == []
    example.assert_everything_is_there_once()


@contextmanager
def at_the_edge(replicas: list[Replica]) -> Iterator[str]:
    """The URL of the example, behind Caddy as it is configured in production, but for how often it asks them."""
    with edge({"example": [each.address for each in replicas]}, EDGE_HEALTH_INTERVAL="200ms") as url:
        yield f"{url}/example"


def test_a_replica_that_dies_costs_the_writes_it_worked_on_which_their_key_may_repeat(example: Example) -> None:
    clients = 12
    with example.replicas(2) as replicas, at_the_edge(replicas) as url:
        with example.load(url, clients=1) as first:
            until(lambda: bool(example.taken), "nothing is made")
        (found,) = asyncio.run(example.query("SELECT id, name FROM things LIMIT 1"))
        thing_id, name = format_id("thg", found["id"]), found["name"]

        async def read(connection: Connection) -> None:
            await example.read(connection, thing_id, name)

        with (
            example.load(url, visit=read, clients=4, pause_s=0.002) as reads,
            example.load(url, visit=example.insist, clients=clients, pause_s=0.01) as writes,
        ):
            killed_at = asyncio.run(kill_while_it_writes(example, replicas, load=writes))
            until(partial(let_others_repeat, example, killed_at), "nobody may repeat")
            enough = writes.requests + 200
            until(lambda: writes.requests > enough and reads.requests > 200, "they are not answered")
    assert first.failures == reads.failures == writes.failures == []
    assert 0 < len(example.refused) <= clients
    assert {each.headers["content-type"] for each in example.refused} == {"application/problem+json"}
    example.assert_everything_is_there_once()


async def kill_while_it_writes(example: Example, replicas: list[Replica], *, load: Load) -> datetime:
    """Kills one while writes wait in it, and holds the others until a client has heard; when that was."""
    waiting = "SELECT FROM pg_locks WHERE NOT granted AND relation = 'things'::regclass"
    async with example.database() as database, database.transaction():
        await database.execute("LOCK TABLE things IN SHARE MODE")
        while len(await database.fetch(waiting)) < 8:  # noqa: ASYNC110 - a server has no events for its own state
            await asyncio.sleep(0.01)
        # Reads are too few to make it the one in which no write waits.
        max(replicas, key=active).kill()
        (killed,) = await database.fetch("SELECT clock_timestamp() AS at")
        until(lambda: bool(example.refused or load.failures), "nobody is refused")
    return killed["at"]


def active(replica: Replica) -> float:
    """How many requests run in it."""
    families = text_string_to_metric_families(httpx.get(f"http://{replica.address}/metrics", timeout=PATIENCE_S).text)
    (sample,) = (sample for each in families if each.name == "http_server_active_requests" for sample in each.samples)
    return sample.value


def let_others_repeat(example: Example, killed_at: datetime) -> bool:
    """As if the half minute were over in which nobody may repeat what was in flight; whether all of it was repeated."""
    expire = """
        UPDATE idempotency_keys SET leased_until = now()
        WHERE status IS NULL AND key = ANY ($1) AND leased_until < $2::timestamptz + interval '30 s'
    """
    asyncio.run(example.query(expire, list(example.pending), killed_at))
    return not example.pending
