"""Replicas of the users service in which nothing happens by itself: tests run their jobs, and have them reload."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from core.client import InProcess
from core.dependencies.resources import STATE
from core.lifespan import held_back, started
from core.resources import Resources
from core.testing import SERVICE_URL
from users.signing.service import SigningKeys

Start = Callable[..., Awaitable["Replica"]]


@dataclass(frozen=True)
class Replica:
    """One of several processes that serve, whose jobs and reloads a test runs when it wants to."""

    resources: Resources
    client: httpx.AsyncClient

    @property
    def keys(self) -> SigningKeys:
        return self.resources[SigningKeys]


@pytest.fixture
async def start(build: Callable[..., Awaitable[FastAPI]]) -> AsyncIterator[Start]:
    """`await start(signing={"replaced_after_days": 1})`: a replica more, on the one database, until the test ends."""
    async with AsyncExitStack() as stack:

        async def run(**groups: dict[str, Any]) -> Replica:
            app = await build(**groups)
            with held_back():
                state = await stack.enter_async_context(started(app, name="replica"))
            transport = InProcess(app, state)
            client = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url=SERVICE_URL))
            return Replica(state[STATE], client)

        yield run


@pytest.fixture
async def replicas(start: Start) -> tuple[Replica, Replica]:
    """Two of them."""
    return await start(), await start()
