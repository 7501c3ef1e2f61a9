"""A real PgBouncer with the configuration that ships, before the PostgreSQL of tests."""

import contextlib
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from core.local import Postgres
from core.local.account import account_for
from core.local.binaries import find_binaries
from core.local.cluster import Cluster
from core.local.data_directory import workspace_root
from core.local.sockets import PORT
from core.testing.last_breath import ended_with_us
from core.testing.network import free_port

SHIPPED = workspace_root() / "deploy" / "pgbouncer" / "pgbouncer.ini"
# The first that knows prepared statements in transaction mode.
VERSION_MIN = (1, 21)
START_TIMEOUT_S = 60
# Fewer than a service opens: transactions of one do not keep to one connection.
SERVER_CONNECTIONS = 5


@dataclass(slots=True)
class PgBouncer(Postgres):
    """A server that runs, as it is found through PgBouncer."""

    port: int = 0

    def url(self, database: str) -> str:
        """Where `database` is, through it."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}?sslmode=disable"

    def past(self, url: str) -> str:
        """The same database, past it."""
        return Postgres.url(self, urlsplit(url).path.removeprefix("/"))


def absent() -> str | None:
    """Why there is no PgBouncer to test with, if so."""
    program = shutil.which("pgbouncer")
    if program is None:
        return "there is no pgbouncer on PATH"
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    version = re.search(r"(\d+)\.(\d+)", said)
    if version is None or tuple(map(int, version.groups())) < VERSION_MIN:
        return f"{program} is too old: {said.splitlines()[0]}"
    return None


@contextlib.contextmanager
def pgbouncer(postgres: Postgres) -> Iterator[PgBouncer]:
    """One that runs until the block ends."""
    port = free_port()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        config = Path(folder) / "pgbouncer.ini"
        users = Path(folder) / "users"
        users.write_text('"postgres" ""\n"serving" ""\n')
        # Below what ships, in the same section.
        config.write_text(f"""{SHIPPED.read_text()}
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {users}
default_pool_size = {SERVER_CONNECTIONS}
[databases]
* = host={postgres.sockets} port={PORT}
""")
        # It refuses root, as PostgreSQL does, and has to reach the socket of that.
        account = account_for(Cluster(postgres.root, find_binaries().major).data)
        Path(folder).chmod(0o755)
        with (Path(folder) / "log").open("w+") as log:
            command = [*account.prefix, str(shutil.which("pgbouncer")), str(config)]
            running = subprocess.Popen(
                command, stdout=log, stderr=log, user=account.uid, group=account.gid, start_new_session=True
            )
            watch = ended_with_us(running, Path(folder))
            try:
                _wait_for(port, running, log)
                yield PgBouncer(postgres.root, port=port)
            finally:
                for process in (watch, running):
                    with process:
                        process.kill()


def _wait_for(port: int, running: subprocess.Popen[bytes], log: IO[str]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if running.poll() is not None or time.monotonic() > deadline:
            log.seek(0)
            raise RuntimeError(f"PgBouncer does not start: {log.read()}")
        time.sleep(0.01)
