"""The fixtures that every service's tests have, once its conftest says which service: `service`."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from blockbuster import blockbuster_ctx
from fastapi import FastAPI

from core.database import Database, open_database
from core.local import Postgres, throw_away_postgres
from core.local.data_directory import workspace_root
from core.mail import Delivered, read_folder
from core.mount import ServiceMount
from core.ports import Ports
from core.services import Service
from core.settings import SecretUrl, ServiceSettings
from core.telemetry.logs import logging_to
from core.testing.applications import SERVICE_URL, Host, running
from core.testing.blocking import remembered
from core.testing.databases import TemplateDatabase, served, template_database
from core.testing.edges import Edges
from core.testing.locally import Mint, local_settings, minting
from core.testing.nats import NatsServer, nats_server
from core.testing.network import loopback_only
from core.testing.queries import recorded
from core.testing.smtp import SmtpServer, smtp_server


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of the test that fuzzes a service by its OpenAPI document."""
    group = parser.getgroup("fuzzing")
    group.addoption("--fuzz-examples", type=int, help="Cases an operation, drawn anew each run; 10 and the same ones.")
    group.addoption("--fuzz-seed", type=int, help="The seed that a failed run has named.")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Shows the tracebacks that were logged during a test that failed: a 500 says nothing of its cause."""
    report: Any = yield
    if report.failed:
        logged = [line["exception"] for line in getattr(item, "funcargs", {}).get("logs", ()) if "exception" in line]
        report.sections += [("logged traceback", each) for each in dict.fromkeys(logged)]
    return report


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The loop of production."""
    return ("asyncio", {"use_uvloop": True})


@pytest.fixture(scope="session", autouse=True)
def _no_network() -> Iterator[None]:
    with loopback_only():
        yield


@pytest.fixture(scope="session", autouse=True)
def _patient() -> Iterator[None]:
    """A busy machine is no outage: there is time for the answer of a server, and for a check."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.database.engine.ANSWER_MARGIN_S", 60)
        patch.setattr("core.web.probes.CHECK_TIMEOUT_S", 60)
        yield


@pytest.fixture(autouse=True)
def _nothing_blocks() -> Iterator[None]:
    """A call that blocks the event loop fails the test that made it."""
    with remembered(), blockbuster_ctx(_packages_on_core(), excluded_modules=["core.testing"]) as guard:
        # asyncpg looks for certificates and a password file when it connects: some microseconds, a few times a process.
        for function in ("os.stat", "os.listdir", "os.path.abspath", "io.TextIOWrapper.read", "io.BufferedReader.read"):
            guard.functions[function].can_block_in("asyncpg/connect_utils.py", "_parse_connect_arguments")
            # A traceback shows lines of source, which Python reads when it is formatted, and keeps.
            guard.functions[function].can_block_in("linecache.py", {"checkcache", "updatecache"})
            # FastAPI looks up where an endpoint is written at its first request, and keeps it.
            guard.functions[function].can_block_in("fastapi/routing.py", {"_extract_endpoint_context"})
            # Building an application looks up its version and the types of media: before a process serves, but a test
            # may build one at any time.
            guard.functions[function].can_block_in("core/application/chassis.py", {"chassis"})
        # Before Python 3.12, coverage measures each thread under one lock.
        guard.functions["threading.Lock.acquire"].can_block_in("coverage/collector.py", {"lock_data"})
        yield


@cache
def _packages_on_core() -> list[str]:
    """core, and every installed distribution that stands on it; found once, because it reads the metadata of all."""
    on_core = re.compile(r"core([\[ ;<>=~!]|$)")
    return ["core", *(each.name for each in distributions() if any(map(on_core.match, each.requires or ())))]


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[dict[str, Any]]]:
    """Every line that the process logs during the test, as the JSON it is in production."""
    lines: list[dict[str, Any]] = []
    with logging_to(lambda line: lines.append(orjson.loads(line)), level="info", form="json"):
        yield lines


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real PostgreSQL, in memory where there is some, shared by the runs of this workspace."""
    with throw_away_postgres(str(workspace_root())) as server:
        yield server


@pytest.fixture(scope="session")
def nats() -> Iterator[NatsServer]:
    """A real NATS server with JetStream; a test that stops it starts one of its own with `nats_server()`."""
    with nats_server() as server:
        yield server


@pytest.fixture(scope="session")
def edges() -> Iterator[Edges]:
    """A real Caddy with the configuration of production, before a service that a test serves on a port."""
    with ExitStack() as started:
        yield Edges(started)


@pytest.fixture(scope="session")
def _smtp_server() -> Iterator[SmtpServer]:
    with smtp_server() as server:
        yield server


@pytest.fixture
def smtp(_smtp_server: SmtpServer) -> SmtpServer:
    """A real SMTP server with an empty box; a test that stops it starts one of its own with `smtp_server()`."""
    _smtp_server.clear()
    return _smtp_server


@pytest.fixture(scope="session")
def service() -> Service | None:
    """The service under test; None until a service's conftest overrides it."""


@pytest.fixture(scope="session")
def templates(postgres: Postgres) -> Iterator[Callable[[Service | None], TemplateDatabase]]:
    """The migrated schemas of a run, which may test several members one after the other; each made at its first use."""
    with ExitStack() as made:

        @cache
        def template_of(service: Service | None) -> TemplateDatabase:
            name = service.name if service else "empty"
            return made.enter_context(template_database(postgres, service.migrations if service else None, name=name))

        yield template_of


@pytest.fixture(scope="class")
def template(templates: Callable[[Service | None], TemplateDatabase], service: Service | None) -> TemplateDatabase:
    """The migrated schema of the service."""
    return templates(service)


@pytest.fixture
async def database_url(template: TemplateDatabase) -> AsyncIterator[str]:
    """A database of this test alone, where commits are commits."""
    name = await template.copy()
    yield template.postgres.url(name)
    await template.drop(name)


@pytest.fixture
def served_url(database_url: str) -> str:
    """The same database for the service itself, which may read and write rows, as where it is deployed."""
    return served(database_url)


@pytest.fixture
def settings(service: Service, served_url: str, tmp_path: Path) -> ServiceSettings:
    """Local settings on the database of this test; a conftest may override it with `settings.model_copy(update=…)`."""
    return local_settings(service, database_url=served_url, folder=tmp_path)


@pytest.fixture
def ports() -> Ports:
    """The real ports; a test that replaces one overrides this."""
    return Ports()


@pytest.fixture
def app(service: Service, settings: ServiceSettings, ports: Ports) -> FastAPI:
    """The application, built and not started."""
    return service.create_app(settings, ports)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the running application, standalone."""
    async with running(app) as standalone:
        yield standalone


@pytest.fixture(params=["standalone", "mounted"])
async def anywhere(request: pytest.FixtureRequest, app: FastAPI, service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """The same client twice: of the application standalone, and mounted below `/<name>` in a host."""
    if request.param == "standalone":
        async with running(app) as standalone:
            yield standalone
        return
    async with running(Host(ServiceMount(service.name, app)), base_url=f"{SERVICE_URL}/{service.name}") as mounted:
        yield mounted


@pytest.fixture
async def database(settings: ServiceSettings, database_url: str) -> AsyncIterator[Database]:
    """The database of this test, beside the application, whose owner may do everything."""
    owned = settings.database.model_copy(update={"url": SecretUrl(database_url)})
    async with open_database(owned, name="test") as opened:
        yield opened


@pytest.fixture
def mailbox(tmp_path: Path) -> Callable[..., list[Delivered]]:
    """`mailbox(to="a@example.com")`: the messages that were sent, newest first."""
    return lambda to=None: read_folder(tmp_path / "mail", to=to)


@pytest.fixture
def token(settings: ServiceSettings, tmp_path: Path) -> Mint:
    """`token("catalog:write", subject="usr_…")`: an access token that the service accepts."""
    return minting(settings, tmp_path)


@pytest.fixture
def signed_in(token: Mint) -> Callable[..., dict[str, str]]:
    """`signed_in("catalog:write")`: the header of a caller with these scopes; the same caller for the same subject."""

    def header(*scopes: str, subject: str | None = None) -> dict[str, str]:
        return {"Authorization": f"Bearer {token(*scopes, subject=subject)}"}

    return header


@pytest.fixture
def queries() -> Callable[[], AbstractContextManager[list[str]]]:
    """What records the SQL that requests send inside a block, so that a test can count it."""
    return recorded


@pytest.fixture
def becomes() -> Callable[..., Awaitable[Any]]:
    """Waits for an async condition, and gives what it gives when it is true at last."""

    async def wait(condition: Callable[[], Awaitable[Any]], *, patience_s: float = 30) -> Any:
        async with asyncio.timeout(patience_s):
            while not (value := await condition()):  # noqa: ASYNC110 - a server has no events for its own state
                await asyncio.sleep(0.005)
        return value

    return wait
