"""core is tested through the smallest whole service, which lives beside its tests."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from core.services import Service

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def service() -> Service:
    """The example service."""
    return Service("example", "example.app")


@pytest.fixture
def becomes() -> Callable[..., Awaitable[Any]]:
    """`await becomes(condition)`: what the condition gives when it is true at last."""

    async def wait(condition: Callable[[], Awaitable[Any]], *, patience_s: float = 5) -> Any:
        async with asyncio.timeout(patience_s):
            while not (value := await condition()):  # noqa: ASYNC110 - a server has no events for its own state
                await asyncio.sleep(0.005)
        return value

    return wait


@pytest.fixture
async def admin(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection that sees what the database under test really holds."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()
