"""The gateway is tested with two services that it knows nothing of: `tea` and `coffee`, found by their entry points."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.local import Postgres
from core.local.data_directory import DataDirectory
from core.local.host import LocalHost
from core.mount import Dispatch
from core.ports import Seed
from core.services import Service
from core.testing import running
from gateway.app import create_app
from gateway.services import HostedServices, configure
from gateway.settings import GatewaySettings

INSTALLED = Path(__file__).parent / "installed"
sys.path.insert(0, str(INSTALLED))

URL = "http://127.0.0.1:8000"
SERVICES = [Service("coffee", "coffee.app"), Service("tea", "tea.app")]


@pytest.fixture(scope="session")
def cups(postgres: Postgres) -> Iterator[Postgres]:
    """The server of the test run, with the databases of both services."""
    yield postgres
    for service in SERVICES:
        postgres.drop_database(service.name)


@pytest.fixture
def local_host(tmp_path: Path, cups: Postgres) -> LocalHost:
    """A host on the server of the test run, with its databases fresh and migrated."""
    host = LocalHost(DataDirectory.locate("gateway", tmp_path), cups)
    for hosted in configure(SERVICES, host, url=URL):
        cups.drop_database(hosted.service.name)
        host.prepare(hosted.service, hosted.settings)
    return host


@pytest.fixture
def build(local_host: LocalHost) -> Callable[..., Awaitable[Dispatch]]:
    """`await build(server={"host": "0.0.0.0"})`: the gateway with these settings, made where it may block."""

    def build(given: dict[str, Any]) -> Dispatch:
        hosted = configure(SERVICES, local_host, url=URL)
        settings = GatewaySettings(environment="local", **given)
        services = HostedServices(hosted)
        seed = Seed(admin_email="admin@example.com", admin_password="correct horse battery")
        return create_app(settings, services, seed=seed, mail_folder=local_host.mail_folder)

    return lambda **given: asyncio.to_thread(build, given)


@pytest.fixture
async def client(build: Callable[..., Awaitable[Dispatch]]) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the running gateway."""
    async with running(await build(), base_url=URL) as client:
        yield client
