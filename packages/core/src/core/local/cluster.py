"""The files of one server, and what they say about it."""

import os
import signal
import socket
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from core.local.errors import LocalError
from core.local.locks import is_held
from core.local.sockets import NAME

POLL_S = 0.005
# Fast shutdown (sessions are ended, everything is written), immediate shutdown, the end. PostgreSQL, "Shutting Down
# the Server".
STOP_STEPS = ((signal.SIGINT, 15.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
PID_LINE, STATUS_LINE = 0, 7  # of postmaster.pid; src/include/utils/pidfile.h counts from 1


@dataclass(frozen=True, slots=True)
class Cluster:
    """One root directory: the data of one major version, a log, and three locks."""

    root: Path
    major: int

    @property
    def data(self) -> Path:
        """Named after the major version: another one cannot read it."""
        return self.root / str(self.major)

    @property
    def log(self) -> Path:
        """What the running server prints."""
        return self.root / "log"

    @property
    def turn(self) -> Path:
        """Held by whoever starts or stops the server, or looks at one of the other two locks."""
        return self.root / "turn.lock"

    @property
    def life(self) -> Path:
        """Held by the server and all its children, and by initdb: it is free when nothing touches the data."""
        return self.root / "life.lock"

    @property
    def users(self) -> Path:
        """Held (shared) by every process that uses the server."""
        return self.root / "users.lock"

    def is_alive(self) -> bool:
        """Whether any process of the server is left, even one that is about to end."""
        return is_held(self.life)

    def is_used(self) -> bool:
        """Whether any living process has started the server or joined it, and not stopped."""
        return is_held(self.users)

    def is_ready(self, pid: int) -> bool:
        """Whether the server with this number, our child, takes connections; a dead one may have left its file."""
        lines = self._postmaster()
        return lines[STATUS_LINE:] == ["ready"] and int(lines[PID_LINE]) == pid

    def answers(self, sockets: Path) -> bool:
        """Whether a server that somebody else has started takes connections.

        Its file does not tell: the children of a killed server live on for a moment, and so does what it wrote.
        """
        with suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.connect(str(sockets / NAME))
            return self._postmaster()[STATUS_LINE:] == ["ready"]
        return False

    def shut_down(self, pid: int | None = None) -> None:
        """Stop the server, kindly at first, and return when nothing touches the data any more.

        `pid` is for a parent, who knows it even when the file that names it is gone.

        Raises:
            LocalError: it could not even be killed.
        """
        for number, patience_s in STOP_STEPS:
            # No file and no parent: it is an initdb whose parent was killed, which ends by itself.
            found = pid or next((int(line) for line in self._postmaster()[:1]), None)
            if found and self.is_alive():
                with suppress(ProcessLookupError):
                    os.kill(found, number)
            if self._ends_within(patience_s):
                return
        raise LocalError(f"The PostgreSQL of {self.root} does not end.")

    def clear(self, sockets: Path) -> None:
        """Remove what a killed server left, so that its number, reused, cannot keep the next one from starting.

        Only while `life` is held: then the server of these files is dead, and if the number is in use it is by
        another program. In a container, where numbers are small, it often is.
        """
        for leftover in (sockets / NAME, sockets / f"{NAME}.lock"):
            leftover.unlink(missing_ok=True)
        lines = self._postmaster()
        # A server that somebody started on this data by hand is not ours to judge: PostgreSQL will refuse.
        if lines and sys.platform == "linux" and not _works_in(lines[PID_LINE], self.data):
            (self.data / "postmaster.pid").unlink(missing_ok=True)

    def last_words(self) -> str:
        """The end of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-8:])

    def _postmaster(self) -> list[str]:
        try:
            return [line.strip() for line in (self.data / "postmaster.pid").read_text().splitlines()]
        except FileNotFoundError:
            return []

    def _ends_within(self, patience_s: float) -> bool:
        deadline = time.monotonic() + patience_s
        while self.is_alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_S)
        return True


def _works_in(pid: str, directory: Path) -> bool:
    # Every process of PostgreSQL has the data directory as its working directory. A zombie has none.
    try:
        return Path(f"/proc/{pid}/cwd").samefile(directory)
    except OSError:
        return False
