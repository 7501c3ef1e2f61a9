"""The product in both topologies: what a client sees must not tell them apart."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.local import Postgres
from core.testing.nats import NatsServer

sys.path.insert(0, str(Path(__file__).parent))

from collector import Collector, collecting
from topologies import Product, gateway, standalone


def pytest_addoption(parser: pytest.Parser) -> None:
    """How long replicas are rolled."""
    parser.getgroup("rolling").addoption("--rolls", type=int, default=2, help="How often all replicas are replaced; 2.")


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    """Where the spans of the product go."""
    with collecting() as collector:
        yield collector


@pytest.fixture(scope="session", params=["gateway", "standalone"])
def product(
    request: pytest.FixtureRequest,
    postgres: Postgres,
    nats: NatsServer,
    collector: Collector,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Product]:
    """Users and billing, mounted in one process or each in its own."""
    folder = tmp_path_factory.mktemp(request.param)
    told = {"environment": collector.environment}
    running = gateway(folder, **told) if request.param == "gateway" else standalone(folder, postgres, nats, **told)
    with running as product:
        yield product
