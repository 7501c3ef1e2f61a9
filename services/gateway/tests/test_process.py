"""The gateway as a process: what a developer types, and what happens to it."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.testing.network import free_port

INSTALLED = Path(__file__).parent / "installed"
PATIENCE_S = 60


class Gateway:
    """A gateway process and its output."""

    def __init__(
        self, data_dir: Path, *options: str, installed: Path = INSTALLED, environment: Mapping[str, str] | None = None
    ) -> None:
        self.port = free_port()
        descriptor, name = tempfile.mkstemp(suffix=".log")
        os.close(descriptor)
        self.output = Path(name)
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gateway", "--port", str(self.port), *options],
                env={
                    **os.environ,
                    "PYTHONPATH": str(installed),
                    "GATEWAY_DATA_DIR": str(data_dir),
                    **(environment or {}),
                },
                cwd=installed,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=30)

    def wait_until_ready(self) -> None:
        until(lambda: self.answers("/readyz") == 200, lambda: self.said)

    def answers(self, path: str) -> int:
        assert self.process.poll() is None, self.said
        try:
            return self.get(path).status_code
        except httpx.TransportError:
            return 0

    @property
    def said(self) -> str:
        return self.output.read_text()

    def wait(self) -> int:
        return self.process.wait(PATIENCE_S)


def until(condition: Callable[[], bool], otherwise: Callable[[], str]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.05)


def processes_of(directory: Path) -> list[str]:
    """Every process whose command line names the directory: the gateway's children and PostgreSQL."""
    listed = subprocess.run(["ps", "-wweo", "pid,args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if str(directory) in line]


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def start() -> Iterator[Callable[..., Gateway]]:
    """Starts gateways; none outlives its test, however that ends."""
    started: list[Gateway] = []

    def start(*arguments: Any, **options: Any) -> Gateway:
        started.append(Gateway(*arguments, **options))
        return started[-1]

    yield start
    for gateway in started:
        with suppress(ProcessLookupError):
            os.killpg(gateway.process.pid, signal.SIGKILL)
        gateway.wait()


@pytest.fixture
def serve(start) -> Callable[..., Gateway]:
    """Starts a gateway and waits until it is ready."""

    def serve(*arguments: Any, **options: Any) -> Gateway:
        gateway = start(*arguments, **options)
        gateway.wait_until_ready()
        return gateway

    return serve


def test_it_says_what_runs_and_ctrl_c_leaves_nothing(data_dir, serve):
    gateway = serve(data_dir)
    assert gateway.get("/tea/v1/cups").status_code == 200
    os.killpg(gateway.process.pid, signal.SIGINT)
    assert gateway.wait() == 0
    for said in (f"http://127.0.0.1:{gateway.port}/tea", "/docs", "/_dev/api/mail", "admin@example.com / "):
        assert said in gateway.said
    assert "Traceback" not in gateway.said
    assert processes_of(data_dir) == []


def test_data_and_the_generated_password_survive_a_kill(data_dir, serve):
    first = serve(data_dir)
    httpx.post(f"http://127.0.0.1:{first.port}/tea/v1/cups", json={"name": "kept"})
    first.process.kill()
    first.wait()
    if sys.platform == "linux":
        until(lambda: processes_of(data_dir) == [], lambda: str(processes_of(data_dir)))
    second = serve(data_dir)
    assert {"name": "kept"} in second.get("/tea/v1/cups").json()
    until(lambda: {"name": "beside kept"} in second.get("/coffee/v1/cups").json(), lambda: second.said)
    (password,) = re.findall(r"admin@example.com / (\S+)", first.said)
    assert f"admin@example.com / {password}" in second.said


def test_a_port_in_use_is_one_sentence(data_dir, start):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        gateway = start(data_dir, "--port", str(port))
        assert gateway.wait() != 0
    assert gateway.said == f"Port {port} on 127.0.0.1 is in use by another process; choose another with --port.\n"


def test_a_data_directory_that_cannot_be_written_is_one_sentence(tmp_path, start):
    (tmp_path / "file").touch()
    gateway = start(tmp_path / "file" / "data")
    assert gateway.wait() != 0
    assert len(gateway.said.splitlines()) == 1
    assert "is not a directory" in gateway.said


def test_a_second_gateway_on_the_same_data_is_one_sentence(data_dir, start, serve):
    first = serve(data_dir)
    second = start(data_dir)
    assert second.wait() != 0
    assert second.said.startswith(f"Another gateway (process {first.process.pid}) already uses")
    assert len(second.said.splitlines()) == 1
    assert first.get("/readyz").status_code == 200


@pytest.mark.parametrize("variable", ["GATEWAY_ENVIRONMENT", "TEA_ENVIRONMENT"])
def test_another_environment_is_refused(data_dir, start, variable):
    gateway = start(data_dir, environment={variable: "production"})
    assert gateway.wait() != 0
    assert "Traceback" not in gateway.said
    assert variable in gateway.said


def test_a_service_that_cannot_be_configured_is_explained(data_dir, start):
    gateway = start(data_dir, environment={"TEA_DATABSE__POOL_SIZE": "3"})
    assert gateway.wait() == 78
    assert "TEA_DATABASE__POOL_SIZE" in gateway.said


BROKEN = """
from contextlib import asynccontextmanager
from core.resources import Resource

@asynccontextmanager
async def broken(_resources):
    raise OSError("no leaves")
    yield
"""


def test_a_service_that_does_not_start_ends_the_gateway_with_its_name(data_dir, tmp_path, start):
    installed = Path(shutil.copytree(INSTALLED, tmp_path / "installed"))
    source = installed / "tea" / "app.py"
    text = source.read_text().replace("routers=[router],", "routers=[router], resources=[Resource(Cup, broken)],")
    source.write_text(text + BROKEN)
    gateway = start(data_dir, installed=installed)
    assert gateway.wait() == 3
    assert "tea: Cup did not open: OSError: no leaves" in gateway.said.splitlines()
    assert "Traceback" not in gateway.said
    assert processes_of(data_dir) == []


def test_a_changed_file_restarts_the_services_and_spares_the_database(data_dir, tmp_path, serve):
    installed = Path(shutil.copytree(INSTALLED, tmp_path / "installed"))
    gateway = serve(data_dir, "--reload", installed=installed)
    database = servers_of(data_dir)
    source = installed / "tea" / "app.py"
    source.write_text(source.read_text().replace('"/elsewhere"', '"/reloaded"'))
    until(lambda: gateway.answers("/tea/v1/cups/reloaded") == 200, lambda: gateway.said)
    assert servers_of(data_dir) == database != []
    os.killpg(gateway.process.pid, signal.SIGINT)
    assert gateway.wait() == 0
    assert processes_of(data_dir) == []
    assert "Traceback" not in gateway.said


def servers_of(directory: Path) -> list[str]:
    return [line for line in processes_of(directory) if "postgres -D" in line]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_a_killed_reloader_takes_everything_with_it(data_dir, serve):
    gateway = serve(data_dir, "--reload")
    gateway.process.kill()
    gateway.wait()
    until(lambda: processes_of(data_dir) == [], lambda: str(processes_of(data_dir)))
    until(lambda: is_free(gateway.port), lambda: "the port is still taken")


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
