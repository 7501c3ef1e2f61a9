"""The product in processes of its own, with databases behind PgBouncer: migrated, walked through, and its jobs run."""

from collections.abc import Iterator

import pytest
from bouncer import PgBouncer
from test_journey import admin, price, test_somebody_registers_subscribes_pays_and_leaves
from topologies import Product, standalone

from core.testing.nats import NatsServer

__all__ = ["admin", "price", "test_somebody_registers_subscribes_pays_and_leaves"]


@pytest.fixture(scope="session")
def product(bouncer: PgBouncer, nats: NatsServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """Users and billing, each in its own process."""
    with standalone(tmp_path_factory.mktemp("bounced"), bouncer, nats, environment={}) as product:
        yield product
