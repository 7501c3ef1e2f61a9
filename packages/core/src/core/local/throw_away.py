"""A server for tests and comparisons: its data is worth nothing, so nothing is waited for."""

import hashlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

from core.local.directories import make_private
from core.local.postgres import Postgres

# A killed server loses what it committed last; a crash of the machine may damage the rest.
THROW_AWAY: Mapping[str, str] = MappingProxyType(
    {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"},
)
MEMORY = Path("/dev/shm")  # noqa: S108 - the directory made in it is checked to be ours (make_private)
MEMORY_FREE_BYTES_MIN = 512 * 1024**2  # A container has 64 MiB unless told otherwise; an empty server takes 40.


def throw_away_postgres(key: str) -> Postgres:
    """The server that all processes with the same key (a test run's, a workspace's path) share; the last one stops it.

    Raises:
        LocalError: another user has taken the name of its directory.
    """
    name = hashlib.sha256(key.encode()).hexdigest()[:12]
    directory = _storage() / f"core-{os.geteuid()}-{name}"
    make_private(directory)
    return Postgres(directory / "postgres", THROW_AWAY, shared=True)


@contextmanager
def throw_away_database(key: str) -> Iterator[str]:
    """The URL of an empty database on that server, until the block ends.

    Raises:
        LocalError: PostgreSQL does not start.
    """
    with throw_away_postgres(key) as postgres:
        name = f"throw_away_{secrets.token_hex(6)}"
        postgres.create_database(name)
        try:
            yield postgres.url(name)
        finally:
            postgres.drop_database(name)


def _storage() -> Path:
    if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= MEMORY_FREE_BYTES_MIN:
        return MEMORY
    return Path(tempfile.gettempdir())
