"""An embedded PostgreSQL: one server a root directory, for one process or for several."""

import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import quote

from core.local.account import account_for
from core.local.binaries import Binaries, find_binaries
from core.local.cluster import POLL_S, Cluster
from core.local.directories import make_private, make_writable
from core.local.errors import LocalError
from core.local.launch import Launcher, environment
from core.local.locks import hold, locked
from core.local.sockets import PORT, socket_directory

START_S_MAX = 60.0  # Recovery after a crash is part of a start.
NAME_BYTES_MAX = 63  # PostgreSQL cuts a longer name, and two names could become one.


@dataclass(slots=True)
class Postgres:
    """The server of `root`, which its data, its log and (if the path is short enough) its socket are in.

    Whoever starts it stops it; a process that finds it running joins it. With `shared`, the last one to leave stops
    it instead. A killed process counts as one that left: no server stays behind.
    """

    root: Path
    options: Mapping[str, str] = field(default_factory=dict)
    shared: bool = False
    _cluster: Cluster | None = field(default=None, init=False, repr=False)
    _use: int = field(default=-1, init=False, repr=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        """Every process has to find the same locks and the same socket, whatever its working directory."""
        self.root = self.root.resolve()

    def __enter__(self) -> Self:
        """Start it."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self.stop()

    @property
    def sockets(self) -> Path:
        """The directory of the Unix socket.

        Raises:
            LocalError: there is none whose path is short enough.
        """
        return socket_directory(self.root)

    def url(self, database: str) -> str:
        """Where `database` is, as libpq and asyncpg read it."""
        # The port is said: without it, a PGPORT of whoever sits here would be asked for it.
        return f"postgresql://postgres@/{quote(database, safe='')}?host={self.sockets}&port={PORT}"

    def start(self) -> Self:
        """Return when the server takes connections; a second call changes nothing.

        Raises:
            LocalError: there are no programs, a directory is closed to them, or they end with a message.
        """
        if self._cluster is not None:
            return self
        binaries = find_binaries()
        cluster = Cluster(self.root, binaries.major)
        make_writable(self.root)
        with locked(cluster.turn):
            joined = self._join(cluster)
            use = hold(cluster.users, shared=True)
            try:
                if not joined:
                    self._process = self._launch(cluster, binaries)
            except BaseException:
                os.close(use)
                raise
            self._cluster, self._use = cluster, use
        return self

    def stop(self) -> None:
        """Leave the server, and stop it if it is ours to stop; a second call changes nothing."""
        if self._cluster is None:
            return
        cluster, self._cluster = self._cluster, None
        process, self._process = self._process, None
        if process and process.poll() is not None:
            process = None  # It crashed. If a server runs now, another process has started it.
        with locked(cluster.turn):
            os.close(self._use)
            if (process and not self.shared) or not cluster.is_used():
                cluster.shut_down(process.pid if process else None)
                if process:
                    process.wait()
            elif process:
                # Its users are others now: without this, Popen warns of a child that was left running.
                process.returncode = 0

    def create_database(self, name: str, *, template: str = "template0") -> None:
        """Create it unless it exists, as a copy of `template`, to which nobody may be connected meanwhile.

        Blocks for tens of milliseconds: from a running event loop, use a thread.

        Raises:
            LocalError: the server's message.
        """
        _check_name(name)
        statement = r"""
            SELECT format('CREATE DATABASE %I TEMPLATE %I', :'name', :'template')
            WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') \gexec
        """
        # One at a time: a second process must not look while a first one creates.
        with locked(Cluster(self.root, find_binaries().major).turn):
            self._psql(statement, name=name, template=template)

    def drop_database(self, name: str) -> None:
        """Remove it if it exists, and end the sessions that are open in it.

        Raises:
            LocalError: the server's message.
        """
        _check_name(name)
        self._psql(r"SELECT format('DROP DATABASE IF EXISTS %I WITH (FORCE)', :'name') \gexec", name=name)

    def _join(self, cluster: Cluster) -> bool:
        """True: it runs, for somebody else. False: nothing touches the data, not even a server that is ending."""
        deadline = time.monotonic() + START_S_MAX
        while cluster.is_alive():
            if not cluster.is_used():
                cluster.shut_down()  # Whoever used it was killed; most often it is on its way out already.
            elif cluster.answers(self.sockets):
                return True
            elif time.monotonic() > deadline:
                raise LocalError(f"The PostgreSQL of {self.root} runs for another process, but takes no connections.")
            time.sleep(POLL_S)
        return False

    def _launch(self, cluster: Cluster, binaries: Binaries) -> subprocess.Popen[bytes]:
        account = account_for(cluster.data)
        make_private(self.sockets, uid=account.uid)
        life = hold(cluster.life)
        try:
            account.take_over(self.root, self.sockets)
            account.check_way(cluster.data)
            account.check_way(binaries.directory / "postgres")
            launcher = Launcher(cluster, binaries, account, life)
            launcher.initialise()
            cluster.clear(self.sockets)
            process = launcher.serve(self._settings(), outlives_us=self.shared)
        finally:
            os.close(life)
        try:
            _wait_until_ready(cluster, process)
        except BaseException:  # Ctrl-C, too, must not leave half a server behind.
            process.kill()
            process.wait()
            raise
        return process

    def _settings(self) -> dict[str, str]:
        return {
            "max_connections": "200",
            "timezone": "UTC",
            **self.options,
            "listen_addresses": "",
            "port": str(PORT),
            "unix_socket_directories": str(self.sockets),
        }

    def _psql(self, statement: str, **variables: str) -> None:
        named = [f"--set={name}={value}" for name, value in {"ON_ERROR_STOP": "1", **variables}.items()]
        done = subprocess.run(
            [find_binaries().tool("psql"), "--no-psqlrc", "--quiet", *named, self.url("postgres")],
            input=statement,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise LocalError(f"PostgreSQL refuses: {done.stderr.strip()}")


def _wait_until_ready(cluster: Cluster, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S_MAX
    while not cluster.is_ready(process.pid):
        if process.poll() is not None or time.monotonic() > deadline:
            raise LocalError(f"PostgreSQL did not start; {cluster.log} ends with:\n{cluster.last_words()}")
        time.sleep(POLL_S)


def _check_name(name: str) -> None:
    if len(name.encode()) > NAME_BYTES_MAX:
        raise LocalError(f"A database's name has at most {NAME_BYTES_MAX} bytes, which {name!r} exceeds.")
