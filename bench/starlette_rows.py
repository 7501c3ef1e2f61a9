"""The third baseline: Starlette and asyncpg, with their defaults and nothing between them, reading the same rows."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from bench.rows import POOL_SIZE

ONE = "SELECT id, name, amount_minor, created_at FROM rows WHERE id = $1"
LIST = "SELECT id, name, amount_minor, created_at FROM rows ORDER BY id LIMIT 100"


def _wire(row: asyncpg.Record) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        "name": row["name"],
        "amount_minor": row["amount_minor"],
        "created_at": row["created_at"].isoformat(),
    }


async def read_row(request: Request) -> JSONResponse:
    """One row."""
    row = await request.app.state.pool.fetchrow(ONE, UUID(request.path_params["row_id"]))
    if row is None:
        raise HTTPException(404)
    return JSONResponse(_wire(row))


async def list_rows(request: Request) -> JSONResponse:
    """A hundred."""
    return JSONResponse([_wire(row) for row in await request.app.state.pool.fetch(LIST)])


def create_app(database_url: str) -> Starlette:
    """Two routes over one pool."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        async with asyncpg.create_pool(database_url, min_size=POOL_SIZE, max_size=POOL_SIZE) as app.state.pool:
            yield

    return Starlette(routes=[Route("/rows", list_rows), Route("/rows/{row_id}", read_row)], lifespan=lifespan)
