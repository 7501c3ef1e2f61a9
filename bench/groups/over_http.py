"""Reads over HTTP with one processor for the server and one for all else, against Starlette and asyncpg."""

import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.databases import a_database
from bench.figures import Control, Group, Samples, Share, Target
from bench.machine import stay_on
from bench.rows import CONNECTIONS, ROWS, row_id
from bench.tokens import tokens
from bench.wiring import free_port
from core.tokens.verifier import REMEMBERED_MAX

ROUNDS = 5
SECONDS = 1.0
WARM_UP_S = 0.5
MICROSECONDS = 1e6
START_S_MAX = 20


def run() -> Samples:
    """Loads the servers in turn; gives microseconds a request."""
    # PostgreSQL and the load share a processor, and the server has one for itself.
    stay_on(last=True)
    with tempfile.TemporaryDirectory() as name, a_database("reads") as url, ExitStack() as stack:
        folder = Path(name)
        ports = {
            subject: stack.enter_context(_serving(subject, url, folder))
            for subject in ("starlette", "starlette, again", "blueprint", "chassis")
        }
        return _in_turn(_subjects(ports, folder))


def _subjects(ports: Mapping[str, int], folder: Path) -> dict[str, tuple[int, list[str]]]:
    one = [f"/rows/{row_id(number * 7 % ROWS)}" for number in range(160)]
    cached = [f"Authorization: Bearer {tokens(folder, 1)[0]}\r\n"]
    # One more than are remembered, in turn: none is known when it comes again.
    uncached = [f"Authorization: Bearer {token}\r\n" for token in tokens(folder, REMEMBERED_MAX + CONNECTIONS)]
    return {
        "Starlette and asyncpg": (ports["starlette"], _requests(one)),
        "Starlette and asyncpg, again": (ports["starlette, again"], _requests(one)),
        "blueprint": (ports["blueprint"], _requests(one)),
        "chassis, token known": (ports["chassis"], _requests(one, cached)),
        "chassis, token verified": (ports["chassis"], _requests(one, uncached)),
        "Starlette and asyncpg, 100 rows": (ports["starlette"], _requests(["/rows"])),
        "blueprint, 100 rows": (ports["blueprint"], _requests(["/rows"])),
        "chassis, 100 rows": (ports["chassis"], _requests(["/rows"], cached)),
    }


def _requests(paths: list[str], headers: list[str] | None = None) -> list[str]:
    fields = headers or [""]
    count = max(len(paths), len(fields), CONNECTIONS)
    return [
        f"GET {paths[n % len(paths)]} HTTP/1.1\r\nHost: 127.0.0.1\r\n{fields[n % len(fields)]}\r\n"
        for n in range(count)
    ]


def _in_turn(subjects: Mapping[str, tuple[int, list[str]]]) -> Samples:
    samples: dict[str, list[float]] = {name: [] for name in subjects}
    for port, requests in subjects.values():
        _load(port, requests, WARM_UP_S)
    for number in range(ROUNDS):
        names = list(subjects)
        start = number % len(names)
        for name in names[start:] + names[:start]:
            port, requests = subjects[name]
            answered, seconds = _load(port, requests, SECONDS)
            samples[name].append(seconds / answered * MICROSECONDS)
    return samples


def _load(port: int, requests: list[str], seconds: float) -> tuple[int, float]:
    command = [sys.executable, "-m", "bench.load", str(port), str(seconds)]
    given = json.dumps({"connections": CONNECTIONS, "requests": requests})
    said = subprocess.run(command, input=given, stdout=subprocess.PIPE, check=True, text=True).stdout
    answered, took = json.loads(said)
    return answered, took


@contextmanager
def _serving(subject: str, url: str, folder: Path) -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "bench.servers", subject, str(port), url, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            _wait_for(port, server)
            yield port
        finally:
            server.terminate()


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_S_MAX
    while time.monotonic() < until and server.poll() is None:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"the server on {port} did not start")


GROUP = Group(
    title=f"Reads over HTTP, {CONNECTIONS} connections, the server on one processor",
    unit="µs",
    run=run,
    control=Control("Starlette and asyncpg, again", "Starlette and asyncpg", deviation_max=0.10),
    figures=[
        Share("one row, token known", "chassis, token known", "Starlette and asyncpg", Target(0.42, at_least=True)),
        Share(
            "one row, token verified each time",
            "chassis, token verified",
            "Starlette and asyncpg",
            Target(0.30, at_least=True),
        ),
        Share("one row, without a token", "blueprint", "Starlette and asyncpg"),
        Share(
            "100 rows, token known",
            "chassis, 100 rows",
            "Starlette and asyncpg, 100 rows",
            Target(0.42, at_least=True),
        ),
        Share("100 rows, without a token", "blueprint, 100 rows", "Starlette and asyncpg, 100 rows"),
    ],
)
