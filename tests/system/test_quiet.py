"""A service whose spans nobody collects: what it loads and whom it reaches, what it says, what it counts."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
from people import Person
from processes import PATIENCE_S, answers, only, until
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus
from topologies import Apart, apart

from core.local import Postgres
from core.metrics.requests import BUCKETS_S
from core.telemetry.exchange import Identity
from core.testing.nats import NatsServer

AUDITING = Path(__file__).with_name("auditing")
TELEMETRY = ("opentelemetry.sdk", "opentelemetry.exporter", "requests", "urllib3")
DURATION = "http_server_request_duration_seconds"
ATTACKS = 2000


@dataclass(frozen=True)
class Quiet:
    """One service as a process whose every word is kept."""

    name: str
    url: str
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def audit(self) -> list[str]:
        return (self.folder / f"{self.name}.audit").read_text().splitlines()

    def said(self, stream: str) -> list[str]:
        return (self.folder / f"{self.name}.{stream}").read_text().splitlines()

    def scrape(self, accept: str = "text/plain") -> httpx.Response:
        return httpx.get(f"{self.url}/metrics", headers={"Accept": accept}).raise_for_status()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(PATIENCE_S) == 0, self.said("out")


@pytest.fixture(scope="module")
def service(postgres: Postgres, nats: NatsServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quiet]:
    """Users, after somebody has registered and signed in."""
    folder = tmp_path_factory.mktemp("quiet")
    with apart(folder, postgres, nats) as told, started("users", told, folder) as quiet:
        person = Person(told.product)
        person.register()
        person.sign_in()
        assert person.users.get("/v1/nothing").status_code == 404
        yield quiet


@contextmanager
def started(name: str, told: Apart, folder: Path) -> Iterator[Quiet]:
    """That service, as it logs in production, where no variable says anything of OpenTelemetry."""
    port = told.ports[name]
    environment = {name: value for name, value in only(told.environment).items() if not name.startswith("OTEL_")}
    environment |= {"PYTHONPATH": str(AUDITING), "AUDIT_FILE": str(folder / f"{name}.audit")}
    environment[f"{name.upper()}_LOGS__FORMAT"] = "json"
    command = [sys.executable, "-m", name, "serve", "--port", str(port)]
    with (
        (folder / f"{name}.out").open("wb") as out,
        (folder / f"{name}.err").open("wb") as errors,
        subprocess.Popen(command, env=environment, stdout=out, stderr=errors) as process,
    ):
        quiet = Quiet(name, f"http://127.0.0.1:{port}", folder, process)
        try:
            until(lambda: answers(f"{quiet.url}/readyz") or process.poll() is not None, "it is not ready")
            yield quiet
        finally:
            process.kill()


def test_nothing_of_an_exporter_is_loaded(service: Quiet) -> None:
    loaded = {line.removeprefix("import ") for line in service.audit if line.startswith("import ")}
    assert "opentelemetry.trace" in loaded
    assert [name for name in loaded if name.startswith(TELEMETRY)] == []


def test_no_connection_is_made_but_to_database_and_bus(service: Quiet, nats: NatsServer) -> None:
    assert [line for line in service.audit if line.startswith("socket.")] == []
    if not sys.platform.startswith("linux"):
        pytest.skip("what uvloop connects to is read from /proc")
    reached = {remote for local, remote in connections(service.process.pid) if local != port_of(service.url)}
    assert reached == {port_of(nats.url)}


def port_of(url: str) -> int:
    port = httpx.URL(url).port
    assert port is not None
    return port


def connections(pid: int) -> Iterator[tuple[int, int]]:
    """Both ports of each TCP connection of a process; its database answers at a socket in a folder."""
    sockets = set()
    for each in Path(f"/proc/{pid}/fd").iterdir():
        # One that has been closed since.
        with suppress(FileNotFoundError):
            sockets.add(str(each.readlink()).removeprefix("socket:[").removesuffix("]"))
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            _, local, remote, state, *_, inode = line.split()[:10]
            # 0A: it listens.
            if inode in sockets and state != "0A":
                yield int(local.rpartition(":")[2], 16), int(remote.rpartition(":")[2], 16)


def families(response: httpx.Response) -> dict[str, Any]:
    is_open = response.headers["content-type"].startswith("application/openmetrics-text")
    return {each.name: each for each in (openmetrics if is_open else prometheus)(response.text)}


def samples(service: Quiet, *types: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families(service.scrape()).values()
        if family.type in types
        for sample in family.samples
    }


def test_both_of_prometheus_formats_are_answered_and_say_the_same(service: Quiet) -> None:
    text = service.scrape()
    assert text.headers["content-type"].startswith("text/plain; version=")
    opened = service.scrape("application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
    assert opened.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert families(opened).keys() == families(text).keys()
    for name, family in families(opened).items():
        assert family.documentation
        assert family.type in {"counter", "gauge", "histogram"}
        assert family.unit == ("seconds" if name.endswith("_seconds") and not name.startswith("process_") else "")
    assert opened.text.endswith("# EOF\n")


def test_durations_have_the_buckets_of_opentelemetry(service: Quiet) -> None:
    buckets = [sample for sample in families(service.scrape())[DURATION].samples if sample.name == f"{DURATION}_bucket"]
    bounds = {sample.labels["le"] for sample in buckets if sample.labels["http_route"] == "/readyz"}
    assert bounds == {*map(str, BUCKETS_S), "+Inf"}


def test_invented_paths_and_methods_make_no_label_and_no_counter_falls(service: Quiet) -> None:
    before = samples(service, "counter", "histogram")
    attack(port_of(service.url))
    after = samples(service, "counter", "histogram")
    assert {key for key, value in before.items() if after.get(key, -1) < value} == set()
    counts = {key: after[key] for key in after.keys() - before.keys() if key[0] == f"{DURATION}_count"}
    labels = [dict(labels) for _, labels in counts]
    assert {each["http_request_method"] for each in labels} <= {"GET", "POST", "DELETE", "_OTHER"}
    assert len({each["http_route"] for each in labels}) <= 4
    assert len(counts) <= 4 * 4
    grown = sum(after[key] - before.get(key, 0) for key in after if key[0] == f"{DURATION}_count")
    assert grown >= ATTACKS


def attack(port: int) -> None:
    """Requests to what is not there."""
    chance = Random(7)  # noqa: S311 - any will do
    client = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    for _ in range(ATTACKS):
        path = chance.choice(["/{}", "/v1/{}", "/v1/{}/me", "/problems/{}", "/docs-assets/{}"]).format(chance.random())
        client.request(chance.choice(["GET", "POST", "DELETE", "PROPFIND", "PURGE", "MKCOL"]), path)
        answer = client.getresponse()
        answer.read()
        assert 400 <= answer.status < 500
    client.close()


def test_every_line_of_its_life_is_one_json_object(service: Quiet) -> None:
    """The last of these tests: it ends the process."""
    service.stop()
    assert service.said("err") == []
    lines = [json.loads(line) for line in service.said("out")]
    told = Identity.of(service.name, "local").fields
    for line in lines:
        assert {name: line.get(name) for name in told} == told
        assert datetime.fromisoformat(line["timestamp"]).tzinfo == UTC
        assert line["level"] in {"info", "warning", "error"}
        assert isinstance(line["event"], str)
        assert "trace_id" not in line
    requests = [line for line in lines if line["event"] == "request"]
    # To begin with, those of the fixture.
    assert len(requests) >= 3
    assert all(line["request_id"] for line in requests)
    assert {"method", "route", "status", "duration_ms", "bytes", "client"} <= requests[-1].keys()
