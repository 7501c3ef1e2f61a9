"""Processes: those that serve while a test runs, and commands that run to their end."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import httpx

PATIENCE_S = 60
SETTINGS = ("BILLING_", "GATEWAY_", "USERS_")


def until(condition: Callable[[], bool], otherwise: str) -> None:
    """Waits for something that takes its time."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.05)


@contextmanager
def process(
    *command: str, ready: str, environment: Mapping[str, str], interrupt: bool = False
) -> Iterator[subprocess.Popen[str]]:
    """A process, once `ready` answers 200; told to stop when the block ends, which it does with exit code 0.

    With `interrupt` it is told as Ctrl-C tells it: SIGINT to it and to all that it has started.
    """
    with tempfile.TemporaryFile("w+") as output:
        started = subprocess.Popen(
            [sys.executable, "-m", *command],
            env=only(environment),
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0 if interrupt else None,
        )
        try:
            until(lambda: answers(ready) or started.poll() is not None, "it is not ready")
            assert started.poll() is None, "it did not start"
            yield started
        except BaseException as failed:
            failed.add_note(f"{command} said:\n{_read(output)}")
            raise
        finally:
            code = _stop(started, interrupt=interrupt)
        assert code == 0, f"{command} ended with {code}:\n{_read(output)}"


def _stop(started: subprocess.Popen[str], *, interrupt: bool) -> int:
    if interrupt and started.poll() is None:
        os.killpg(started.pid, signal.SIGINT)
    elif not interrupt:
        started.terminate()
    try:
        return started.wait(PATIENCE_S)
    finally:
        # Nothing if it has ended.
        started.kill()


def _read(output: IO[str]) -> str:
    output.seek(0)
    return output.read()


def only(environment: Mapping[str, str]) -> dict[str, str]:
    """This machine's variables and these; what a developer has told the services is not the tests' concern."""
    machine = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}
    return {**machine, **environment}


def answers(url: str) -> bool:
    """Whether there is a 200 at `url`."""
    try:
        return httpx.get(url, timeout=1).status_code == 200
    except httpx.TransportError:
        return False


def run(
    *command: str, environment: Mapping[str, str], code: int = 0, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end, which must be this exit code; gives what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", *command],
        env=only(environment),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done
