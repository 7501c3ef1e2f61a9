"""What of the conformance suite meets the database, on databases behind PgBouncer."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import asyncpg
import pytest
from bouncer import PgBouncer

from core.services import Service
from core.testing.conformance.disconnects import Disconnects
from core.testing.conformance.documents import Documents
from core.testing.conformance.exits import Exits
from core.testing.conformance.grounds import Conforming, Grounds
from core.testing.conformance.transactions import TABLES, Transactions
from core.testing.databases import TemplateDatabase


@pytest.fixture(scope="session", params=["users", "billing"])
def service(request: pytest.FixtureRequest) -> Service:
    """One service after the other."""
    return Service(request.param, f"{request.param}.app")


@pytest.fixture(scope="class")
def template(
    templates: Callable[[Service], TemplateDatabase], service: Service, bouncer: PgBouncer
) -> TemplateDatabase:
    """Its migrated schema, whose copies are found through PgBouncer alone."""
    return replace(templates(service), postgres=bouncer)


class TestSuite(Transactions, Exits, Disconnects, Documents, Grounds):
    """Those topics, in every topology."""

    @pytest.fixture
    async def tables(self, conforming: Conforming, bouncer: PgBouncer) -> AsyncIterator[asyncpg.Connection]:
        """The database beside the application, past PgBouncer: tests hold a lock there across statements."""
        connection = await asyncpg.connect(bouncer.past(conforming.settings.database.url.get_secret_value()))
        await connection.execute(TABLES)
        yield connection
        await connection.close()
