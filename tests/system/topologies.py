"""The product in both topologies: a gateway, or each service in a process of its own."""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from processes import process, run

from core.local import Postgres
from core.local.host import LocalHost
from core.mail import read_folder
from core.testing.nats import NatsServer
from core.testing.network import free_port

SERVICES = ("users", "billing")
ADMIN_EMAIL = "admin@example.com"
ADMIN_PASSWORD = "a password for the system tests"


@dataclass(frozen=True)
class Product:
    """Where the services answer, and where their mail went."""

    topology: str
    users: str
    billing: str
    # Where billing keeps the key of this machine's own tokens.
    data_dir: Path
    databases: Mapping[str, str]
    # What a command of users is told, to work on the same database with the same secret.
    operator: Mapping[str, str]
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
def gateway(data_dir: Path, *, environment: Mapping[str, str]) -> Iterator[Product]:
    """One process with every service."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    told = {
        "GATEWAY_DATA_DIR": str(data_dir),
        "GATEWAY_ADMIN_EMAIL": ADMIN_EMAIL,
        "GATEWAY_ADMIN_PASSWORD": ADMIN_PASSWORD,
        "USERS_CORS__ALLOW_ORIGINS": "https://app.example",
        "BILLING_CORS__ALLOW_ORIGINS": "https://app.example",
    }
    host = LocalHost.at("gateway", data_dir)
    databases = {name: host.postgres.url(name) for name in SERVICES}
    operator = {
        "USERS_ENVIRONMENT": "local",
        "USERS_DATABASE__URL": databases["users"],
        "USERS_SECRET_KEY": host.directory.secret("users-secret-key"),
    }
    with process("gateway", "--port", str(port), ready=f"{url}/readyz", environment={**told, **environment}):
        yield Product("gateway", f"{url}/users", f"{url}/billing", data_dir, databases, operator)


class Apart:
    """Each service with a port, a folder and a database of its own, and NATS between them; runs nothing."""

    def __init__(self, folder: Path, postgres: Postgres, nats: NatsServer) -> None:
        self._postgres = postgres
        self._databases = {name: f"{folder.name}_{name}_{os.getpid()}" for name in SERVICES}
        self.ports = {name: free_port() for name in SERVICES}
        self.nats = nats
        databases = {name: postgres.url(database) for name, database in self._databases.items()}
        urls = {name: f"http://127.0.0.1:{port}" for name, port in self.ports.items()}
        self.environment = {"BILLING_CLIENTS__USERS__URL": urls["users"]}
        for name, prefix in ((name, name.upper()) for name in SERVICES):
            self.environment |= {
                f"{prefix}_ENVIRONMENT": "local",
                f"{prefix}_DATABASE__URL": databases[name],
                f"{prefix}_DATA_DIR": str(folder / name),
                f"{prefix}_CORS__ALLOW_ORIGINS": "https://app.example",
                f"{prefix}_EVENTS__URL": nats.url,
            }
        self.product = Product(
            "standalone",
            **urls,
            data_dir=folder / "billing",
            databases=databases,
            operator=self.environment,
            mail_folder=folder / "users" / "mail",
        )

    def empty_database(self, name: str) -> None:
        """Gives a service a new database, migrated and empty."""
        self._postgres.drop_database(self._databases[name])
        self._postgres.create_database(self._databases[name])
        run(name, "migrate", environment=self.environment)

    def drop_databases(self) -> None:
        """Removes them."""
        for database in self._databases.values():
            self._postgres.drop_database(database)


@contextmanager
def apart(folder: Path, postgres: Postgres, nats: NatsServer) -> Iterator[Apart]:
    """What the services need to run in processes of their own, until the block ends."""
    services = Apart(folder, postgres, nats)
    try:
        for name in SERVICES:
            services.empty_database(name)
        yield services
    finally:
        services.drop_databases()


@contextmanager
def standalone(
    folder: Path, postgres: Postgres, nats: NatsServer, *, environment: Mapping[str, str]
) -> Iterator[Product]:
    """A process a service."""
    with apart(folder, postgres, nats) as services, ExitStack() as running:
        told = {**services.environment, **environment}
        for name, port in services.ports.items():
            ready = f"http://127.0.0.1:{port}/readyz"
            running.enter_context(process(name, "serve", "--port", str(port), ready=ready, environment=told))
        admin = {**told, "CREATE_ADMIN_PASSWORD": ADMIN_PASSWORD}
        run("users", "create-admin", ADMIN_EMAIL, environment=admin)
        yield services.product
