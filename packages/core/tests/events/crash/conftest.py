"""The stage of a crash test, and how many events it is about."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from secrets import token_hex

import asyncpg
import pytest
from stage import Stage
from victim import tables

from core.database import open_database
from core.events import events_metadata
from core.local import Postgres
from core.settings import DatabaseSettings

SERVICES = ("producer", "consumer")
EVENTS = 500
FIGURES = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """How much is killed."""
    parser.getgroup("crash").addoption("--events", type=int, help=f"Events in each crash test; {EVENTS}.")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """What came of the events, where somebody asked for many."""
    for line in config.stash.get(FIGURES, []):
        terminalreporter.write_line(line)


@pytest.fixture(autouse=True)
def impatient() -> None:
    """It is other processes that must not wait long."""


@pytest.fixture
def server(postgres: Postgres) -> Postgres:
    """Where the databases are."""
    return postgres


@pytest.fixture(params=["local", "nats"])
def bus(request: pytest.FixtureRequest) -> str:
    """The URL of each bus."""
    return "local:" if request.param == "local" else request.getfixturevalue("nats").url


@pytest.fixture
async def stage(bus: str, server: Postgres, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    """Two services with empty databases, of which no process runs yet."""
    events = request.config.getoption("--events", None)
    one = token_hex(8)
    names = [f"crash_{one}_{service}" for service in SERVICES]
    urls = {service: server.url(name) for service, name in zip(SERVICES, names, strict=True)}
    async with AsyncExitStack() as stack:
        for name in names:
            await asyncio.to_thread(server.create_database, name)
            stack.push_async_callback(asyncio.to_thread, server.drop_database, name)
        for url in urls.values():
            await _make_tables(url)
        databases = {
            service: await stack.enter_async_context(asyncpg.create_pool(url, min_size=0, max_size=2))
            for service, url in urls.items()
        }
        log = tmp_path / "log"
        log.touch()
        stage = Stage(bus=bus, stream=one, log=log, events=events or EVENTS, urls=urls, databases=databases)
        stack.push_async_callback(stage.end)
        began = time.monotonic()
        yield stage
        if events:
            told = [f"{stage.kills} kills", f"{time.monotonic() - began:.1f} s", *stage.figures]
            figures = f"{request.node.name}: {', '.join(told)}"
            request.config.stash.setdefault(FIGURES, []).append(figures)


async def _make_tables(url: str) -> None:
    settings = DatabaseSettings.model_validate({"url": url})
    async with open_database(settings, name="stage") as database, database.engine.begin() as connection:
        await connection.run_sync(events_metadata.create_all)
        await connection.run_sync(tables.create_all)
