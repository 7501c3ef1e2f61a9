"""core is tested through the smallest whole service, which lives beside its tests."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from core.services import Service

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def service() -> Service:
    """The example service."""
    return Service("example", "example.app")


@pytest.fixture
async def admin(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection that sees what the database under test really holds."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()
