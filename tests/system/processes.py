"""The product as processes: a gateway, or each service alone on its own database."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import httpx

from core.local import Postgres
from core.mail import read_folder
from core.testing.network import free_port

PATIENCE_S = 60
SETTINGS = ("BILLING_", "GATEWAY_", "USERS_")
ADMIN_EMAIL = "admin@example.com"
ADMIN_PASSWORD = "a password for the system tests"


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


@dataclass(frozen=True)
class Product:
    """Where the services answer, and where their mail went."""

    topology: str
    users: str
    billing: str
    # Where billing keeps the key of this machine's own tokens.
    data_dir: Path
    mail_folder: Path | None = None

    def mail(self, to: str) -> list[dict[str, Any]]:
        """The messages to an address, newest first."""
        if self.mail_folder is None:
            gateway = self.users.removesuffix("/users")
            return httpx.get(f"{gateway}/_dev/api/mail", params={"to": to}).raise_for_status().json()["data"]
        return [
            {"to": each.message.to, "subject": each.message.subject, "token": each.message.token}
            for each in read_folder(self.mail_folder, to=to)
        ]


@contextmanager
def gateway(data_dir: Path) -> Iterator[Product]:
    """One process with every service."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    environment = {
        "GATEWAY_DATA_DIR": str(data_dir),
        "GATEWAY_ADMIN_EMAIL": ADMIN_EMAIL,
        "GATEWAY_ADMIN_PASSWORD": ADMIN_PASSWORD,
        "USERS_CORS__ALLOW_ORIGINS": "https://app.example",
        "BILLING_CORS__ALLOW_ORIGINS": "https://app.example",
    }
    with process("gateway", "--port", str(port), ready=f"{url}/readyz", environment=environment):
        yield Product("gateway", f"{url}/users", f"{url}/billing", data_dir)


@contextmanager
def standalone(folder: Path, postgres: Postgres) -> Iterator[Product]:
    """A process a service, a database a service."""
    ports = {"users": free_port(), "billing": free_port()}
    urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    databases = {name: f"system_{name}_{os.getpid()}" for name in ports}
    environment = {"BILLING_CLIENTS__USERS__URL": urls["users"]}
    for name, database in databases.items():
        postgres.create_database(database)
        prefix = name.upper()
        environment |= {
            f"{prefix}_ENVIRONMENT": "local",
            f"{prefix}_DATABASE__URL": postgres.url(database),
            f"{prefix}_DATA_DIR": str(folder / name),
            f"{prefix}_CORS__ALLOW_ORIGINS": "https://app.example",
        }
    try:
        with ExitStack() as running:
            for name, port in ports.items():
                run(name, "migrate", environment=environment)
                serve = (name, "serve", "--port", str(port))
                running.enter_context(process(*serve, ready=f"{urls[name]}/readyz", environment=environment))
            admin = {**environment, "CREATE_ADMIN_PASSWORD": ADMIN_PASSWORD}
            run("users", "create-admin", ADMIN_EMAIL, environment=admin)
            yield Product("standalone", **urls, data_dir=folder / "billing", mail_folder=folder / "users" / "mail")
    finally:
        for database in databases.values():
            postgres.drop_database(database)
