"""Servers that are killed while services are at work: the services live on, and nothing is lost."""

import asyncio
import os
import signal
import tempfile
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import pytest
from stage import chance

from core.local import Postgres
from core.local.binaries import find_binaries
from core.local.cluster import Cluster
from core.local.throw_away import MEMORY
from core.testing.nats import NatsServer, nats_server

KILLS = 4


@pytest.fixture
def nats() -> Iterator[NatsServer]:
    """One for a test that kills it."""
    with nats_server() as server:
        yield server


class TestNats:
    @pytest.mark.parametrize("bus", ["nats"], indirect=True)
    async def test_an_event_is_applied_once_when_its_server_is_killed(self, stage, nats):
        async with stage.running(events=stage.events):
            async for _ in stage.at_times(KILLS):
                await asyncio.to_thread(nats.kill)
                await asyncio.sleep(chance.uniform(0, 0.3))
                await asyncio.to_thread(nats.start)
                stage.kills += 1
            await stage.each_was_applied_once()


class TestPostgres:
    @pytest.fixture
    def server(self) -> Iterator[Postgres]:
        """One that keeps what it has committed."""
        with (
            tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.exists() else None) as folder,
            Postgres(Path(folder) / "pg") as server,
        ):
            yield server

    async def test_an_event_is_applied_once_when_its_server_is_killed(self, stage, server):
        async with stage.running(events=stage.events):
            # A crash, and what PostgreSQL calls an immediate shutdown.
            ways = cycle([signal.SIGKILL, signal.SIGQUIT])
            async for _ in stage.at_times(KILLS):
                os.kill(_pid(server), next(ways))
                await asyncio.to_thread(server.stop)
                await asyncio.to_thread(server.start)
                stage.kills += 1
            await stage.each_was_applied_once()


def _pid(server: Postgres) -> int:
    data = Cluster(server.root, find_binaries().major).data
    return int((data / "postmaster.pid").read_text().split()[0])
