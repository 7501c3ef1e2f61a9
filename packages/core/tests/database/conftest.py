"""What the tests of this room look at: a table of notes, and a server of their own that may be stopped."""

import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path

import asyncpg
import pytest

from core.database import Database, open_database
from core.local import THROW_AWAY, Postgres
from core.local.cluster import Cluster
from core.local.throw_away import MEMORY
from core.settings import DatabaseSettings


@pytest.fixture
async def notes(admin: asyncpg.Connection) -> Callable[..., object]:
    """A table of texts, no text twice; gives what it holds."""
    await admin.execute("CREATE TABLE notes (text text UNIQUE DEFERRABLE INITIALLY DEFERRED)")

    async def texts() -> list[str]:
        return [row["text"] for row in await admin.fetch("SELECT text FROM notes ORDER BY text")]

    return texts


@pytest.fixture
def opened(database_url: str) -> Callable[..., AbstractAsyncContextManager[Database]]:
    """`opened(pool_size=1)`: the database of this test under other settings."""

    def open_(**settings: object) -> AbstractAsyncContextManager[Database]:
        limits = {"pool_size": 2, "read_pool_size": 2, **settings}
        return open_database(DatabaseSettings.model_validate({"url": database_url, **limits}), name="under test")

    return open_


class Server(Postgres):
    """An embedded server that can also hang."""

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """None of its processes does anything until the block ends."""
        listing = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
        [postmaster] = re.findall(r"\A\d+", Path(Cluster(self.root, 18).data / "postmaster.pid").read_text())
        family = [int(pid) for pid, parent in map(str.split, listing.splitlines()) if postmaster in (pid, parent)]
        for pid in family:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in family:
                os.kill(pid, signal.SIGCONT)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server of this module alone, so that it may be stopped; in memory, where there is some."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.exists() else None) as directory:
        own = Server(Path(directory) / "pg", THROW_AWAY)
        with own:
            yield own
