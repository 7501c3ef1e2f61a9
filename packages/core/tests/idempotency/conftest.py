"""What the tests of this room do again and again: make a thing under a key, as somebody, and count things."""

from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import httpx
import pytest

from core.ids import format_id, new_id

Make = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
def subject() -> str:
    """Who calls."""
    return format_id("usr", new_id())


@pytest.fixture
def make(client: httpx.AsyncClient, signed_in: Callable[..., dict[str, str]], subject: str) -> Make:
    """`await make("chair")`: asks for a thing, always under the same key unless told another."""

    async def post(
        name: str = "chair", *, key: str | None = "key", by: str = subject, body: Any = None
    ) -> httpx.Response:
        headers = {**signed_in(subject=by), **({} if key is None else {"Idempotency-Key": key})}
        return await client.post("/v1/things", headers=headers, json={"name": name} if body is None else body)

    return post


@pytest.fixture
def names(admin: asyncpg.Connection) -> Callable[[], Awaitable[list[str]]]:
    """`await names()`: the things that there are."""

    async def listed() -> list[str]:
        return [row["name"] for row in await admin.fetch("SELECT name FROM things ORDER BY name")]

    return listed


@pytest.fixture
def claims(admin: asyncpg.Connection) -> Callable[[], Awaitable[list[asyncpg.Record]]]:
    """`await claims()`: the keys that are on record."""

    async def listed() -> list[asyncpg.Record]:
        return await admin.fetch("SELECT * FROM idempotency_keys ORDER BY created_at")

    return listed
