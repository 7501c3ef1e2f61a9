"""The product in both topologies: what a client sees must not tell them apart."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.local import Postgres

sys.path.insert(0, str(Path(__file__).parent))

from processes import Product, gateway, standalone


@pytest.fixture(scope="session", params=["gateway", "standalone"])
def product(
    request: pytest.FixtureRequest, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    """Users and billing, mounted in one process or each in its own."""
    folder = tmp_path_factory.mktemp(request.param)
    running = gateway(folder) if request.param == "gateway" else standalone(folder, postgres)
    with running as product:
        yield product
