"""Real servers and real processes: what is promised here is about what survives whom."""

import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import pytest

from core.local import THROW_AWAY, Postgres
from core.local.binaries import find_binaries
from core.local.cluster import Cluster
from core.local.throw_away import MEMORY

PATIENCE_S = 60.0


class Query(Protocol):
    """Runs a statement and returns what psql prints."""

    def __call__(self, postgres: Postgres, statement: str, database: str = "postgres") -> str:
        """The rows, unaligned."""
        ...


@pytest.fixture
def query() -> Query:
    def run(postgres: Postgres, statement: str, database: str = "postgres") -> str:
        psql = [find_binaries().tool("psql"), "-XAtq", "-c", statement, postgres.url(database)]
        return subprocess.run(psql, capture_output=True, text=True, check=True).stdout.strip()

    return run


@pytest.fixture(scope="session")
def initialised() -> Iterator[Path]:
    """The files of a server that has run once: a copy of them starts ten times as fast as an empty directory."""
    with room() as directory:
        with Postgres(directory / "pg", THROW_AWAY):
            pass
        yield directory / "pg"


@pytest.fixture
def root(initialised: Path) -> Iterator[Path]:
    """A root of its own for each test, with data in it; no server outlives the test."""
    with room() as directory:
        root = shutil.copytree(initialised, directory / "pg")
        yield root
        cluster = Cluster(root, find_binaries().major)
        if root.exists() and cluster.is_alive():
            cluster.shut_down()


@contextmanager
def room() -> Iterator[Path]:
    """A directory in memory, where there is some: a test leaves 40 MB behind, and pytest keeps what is in tmp_path."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.exists() else None) as directory:
        yield Path(directory)


def server_pid(root: Path) -> int:
    data = Cluster(root, find_binaries().major).data
    return int((data / "postmaster.pid").read_text().split()[0])


@pytest.fixture
def pid() -> Callable[[Path], int]:
    return server_pid


@pytest.fixture
def ends() -> Callable[[int], bool]:
    """Whether the process ends soon, and without anybody's waiting for it."""

    def wait(pid: int) -> bool:
        return _becomes(lambda: not _is_running(pid))

    return wait


@pytest.fixture
def host() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a process that runs some lines, says that it has, and stays until its input ends."""
    started: list[subprocess.Popen[str]] = []

    def start(lines: str, *arguments: object, wait: bool = True) -> subprocess.Popen[str]:
        code = f"""
import sys
from pathlib import Path
from core.local import *
{textwrap.dedent(lines)}
try:
    print("done", flush=True)
    sys.stdin.read()
except KeyboardInterrupt:
    sys.stdin.read()
"""
        command = [sys.executable, "-c", code, *map(str, arguments)]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        started.append(process)
        if wait:
            assert process.stdout is not None
            assert process.stdout.readline() == "done\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def _becomes(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


@pytest.fixture
def becomes() -> Callable[[Callable[[], bool]], bool]:
    return _becomes


def _is_running(pid: int) -> bool:
    # A zombie counts as ended: nobody may be there to collect it.
    state = subprocess.run(["/bin/ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return state.stdout.strip()[:1] not in ("", "Z")
