"""The command line as a person runs it: in this process where it ends at once, in one of its own where it stays."""

import asyncio
import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import pytest

from core.cli import service_cli
from core.local import Postgres
from core.local.throw_away import MEMORY
from core.services import Service
from core.testing.network import free_port

PATIENCE_S = 60.0
TESTS = Path(__file__).parents[1]


class Ran(NamedTuple):
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(monkeypatch, capfd) -> Callable[..., Ran]:
    """`run("token", "--role", "admin", EXAMPLE_DATA_DIR=…)`: a command that ends by itself, in this process."""

    def call(*arguments: str, **environment: str) -> Ran:
        for name in [name for name in os.environ if name.startswith("EXAMPLE_")]:
            monkeypatch.delenv(name)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["example", *arguments])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            service_cli("example")()
        said = capfd.readouterr()
        code = ended.value.code
        return Ran(code if isinstance(code, int) else 0, said.out, said.err)

    return call


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch) -> Path:
    """No test reads the `.env`, or writes the `.local`, of the workspace."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Process:
    """A command that stays, in a session of its own, as one in a terminal has."""

    def __init__(self, *arguments: str, source: Path = TESTS, **environment: str) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("EXAMPLE_")}
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "example", *arguments],
            env={**kept, "PYTHONPATH": str(source), "PYTHONUNBUFFERED": "1", **environment},
            cwd=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.said: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            self.said.append(line)

    def interrupt(self) -> None:
        """Ctrl-C: the terminal signals every process in it."""
        os.killpg(self.popen.pid, signal.SIGINT)

    def ends(self) -> int:
        code = self.popen.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        return code

    def close(self) -> None:
        self.popen.kill()
        self.popen.wait()
        self._reader.join(PATIENCE_S)
        assert self.popen.stdout is not None
        self.popen.stdout.close()


@pytest.fixture
def start() -> Iterator[Callable[..., Process]]:
    """`start("serve", EXAMPLE_ENVIRONMENT="local")`: a command that stays; none outlives the test."""
    started: list[Process] = []

    def launch(*arguments: str, **options: Any) -> Process:
        started.append(Process(*arguments, **options))
        return started[-1]

    yield launch
    for process in started:
        process.close()


class Client:
    """HTTP in so few lines that asking again and again costs nothing."""

    def __init__(self, port: int) -> None:
        self._port = port

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_S)) as connection:
            content = None if body is None else json.dumps(body)
            connection.request(method, path, content, {"Content-Type": "application/json", **headers})
            response = connection.getresponse()
            return response.status, json.loads(response.read())

    def is_ready(self) -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.ask("GET", "/readyz")[0] == 200
        return False


@pytest.fixture
def eventually() -> Callable[[Callable[[], Any]], None]:
    def wait(condition: Callable[[], Any]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, "it did not happen"
            time.sleep(0.02)

    return wait


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def other_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def room() -> Iterator[Path]:
    """A directory in memory, where there is some, with a copy of the example that a test may change."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.exists() else None) as directory:
        shutil.copytree(TESTS / "example", Path(directory) / "example", ignore=shutil.ignore_patterns("__pycache__"))
        yield Path(directory)


@pytest.fixture
def asking() -> type[Client]:
    """`asking(port)`: a client."""
    return Client


def processes_of(directory: Path) -> set[int]:
    """Every living process that was told of the directory, or works in it."""
    found = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            told = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
            works_in = str((entry / "cwd").resolve())
            zombie = (entry / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
            if not zombie and (str(directory).encode() in told or works_in.startswith(str(directory))):
                found.add(int(entry.name))
    return found


@pytest.fixture
def processes() -> Callable[[Path], set[int]]:
    return processes_of


@pytest.fixture(scope="module")
def migrated(request: pytest.FixtureRequest, postgres: Postgres, service: Service) -> Iterator[str]:
    """The database of a service that runs nowhere; one for all tests of a module."""
    name = f"cli_{request.module.__name__.rpartition('.')[2]}"
    postgres.create_database(name)
    asyncio.run(service.migrations.upgrade(postgres.url(name)))
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture
def execute(migrated: str) -> Callable[..., list[Any]]:
    """`execute("UPDATE …")`: the first column that the statement gives; no event and no thing is there before."""

    def run(statement: str, *values: Any) -> list[Any]:
        async def ask() -> list[Any]:
            connection = await asyncpg.connect(migrated)
            try:
                return [row[0] for row in await connection.fetch(statement, *values)]
            finally:
                await connection.close()

        return asyncio.run(ask())

    run("TRUNCATE outbox, inbox, inbox_sequences, things")
    return run
