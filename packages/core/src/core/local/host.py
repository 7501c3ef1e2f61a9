"""What a laptop gives the services it hosts: a data directory, one PostgreSQL, a database and settings for each."""

import asyncio
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.events.upkeep.freeing import free_leases
from core.local.binaries import find_binaries
from core.local.cluster import Cluster
from core.local.data_directory import DataDirectory
from core.local.errors import LocalError
from core.local.postgres import Postgres
from core.services import Service
from core.settings import Loaded, load
from core.tokens.local import FILE_NAME as KEY_FILE

LOCAL = "local"
MAIL_FOLDER = "mail"
# The lock last: until it is gone, another host finds it held.
_STORED = ("postgres", MAIL_FOLDER, "secrets", KEY_FILE, "lock")


@dataclass(frozen=True, slots=True)
class LocalHost:
    """A data directory and its PostgreSQL, which the host owns; a child process under reload only uses them."""

    directory: DataDirectory
    postgres: Postgres

    @classmethod
    def at(cls, name: str, path: Path | None) -> "LocalHost":
        """The host `name`, with its data in `path` or `.local/<name>` of the workspace; starts nothing."""
        directory = DataDirectory.locate(name, path)
        return cls(directory, Postgres(directory.path / "postgres"))

    @contextmanager
    def running(self) -> Iterator[None]:
        """Holds the directory and runs PostgreSQL until the block ends.

        Raises:
            LocalError: another host uses the directory, it cannot be written, or PostgreSQL does not start.
        """
        with self.directory, self.postgres:
            yield

    def remove(self) -> None:
        """Deletes what the host has stored, and nothing else that lies in the same directory.

        Raises:
            LocalError: a host uses the directory, or somebody its PostgreSQL.
        """
        with self.directory:
            if Cluster(self.postgres.root, find_binaries().major).is_alive():
                raise LocalError(f"The PostgreSQL in {self.directory.path} is in use, by a psql perhaps.")
            for stored in (self.directory.path / name for name in _STORED):
                if stored.is_dir():
                    shutil.rmtree(stored)
                stored.unlink(missing_ok=True)
        with suppress(OSError):
            self.directory.path.rmdir()

    @property
    def mail_folder(self) -> Path:
        """Where every service leaves its mail."""
        return self.directory.path / MAIL_FOLDER

    def load(self, service: Service, *, url: str, siblings: Mapping[str, str]) -> Loaded:
        """The settings of a service on this host; what the environment says comes before what the host supplies.

        `url` is where the service is reached, `siblings` where the others are, by name.

        Raises:
            ConfigurationError: a setting is wrong.
            LocalError: the environment says that the service is not local.
        """
        variable = f"{service.name.upper()}_ENVIRONMENT"
        if os.environ.get(variable, LOCAL) != LOCAL:
            raise LocalError(f"{variable} is {os.environ[variable]}, but this host is for local development: unset it.")
        return load(service.settings, defaults=self._defaults(service.name, url=url, siblings=siblings))

    def prepare(self, service: Service, loaded: Loaded) -> None:
        """Creates the service's database, unless its settings name another one, and migrates it.

        What a killed process has left in a database of the host's own is taken up at once: it was the only one.

        Raises:
            LocalError: PostgreSQL refused.
        """
        url = loaded.settings.database.url.get_secret_value()
        is_own = url == self.postgres.url(service.name)
        if is_own:
            self.postgres.create_database(service.name)
        asyncio.run(service.migrations.upgrade(url))
        if is_own:
            asyncio.run(free_leases(url))

    def _defaults(self, name: str, *, url: str, siblings: Mapping[str, str]) -> dict[str, Any]:
        return {
            "environment": LOCAL,
            "public_url": url,
            "database": {"url": self.postgres.url(name)},
            "mail": {"url": f"file:{self.mail_folder}"},
            "secret_key": self.directory.secret(f"{name}-secret-key"),
            "clients": {sibling: {"url": where} for sibling, where in siblings.items()},
            "data_dir": str(self.directory.path),
        }


def say(sentence: str) -> None:
    """One line for whoever sits in front of the terminal."""
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()
