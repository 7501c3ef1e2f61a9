"""The second baseline: "Core Architecture and Routing Patterns in FastAPI: A Production Blueprint", as its text has it.

Its settings, lifespan, router, session by dependency, middleware and handlers; what it leaves open (the engine, the
columns) is done in the way of the libraries' own manuals.
"""

import logging
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, status
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.middleware.base import BaseHTTPMiddleware

from bench.bare import Order, UserResponse
from bench.rows import POOL_SIZE, Row, RowRead

logger = logging.getLogger("api.errors")


class Settings(BaseSettings):
    """Its section 6."""

    model_config = SettingsConfigDict(env_file=".env", env_prefix="APP_")
    database_url: str
    log_level: str = "INFO"
    enable_signup: bool = True


@lru_cache
def get_settings() -> Settings:
    """Parses the environment once."""
    return Settings()


async def create_async_pool(database_url: str) -> AsyncEngine:
    """The pool of its section 1."""
    return create_async_engine(database_url, pool_size=POOL_SIZE, max_overflow=0)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Its section 1."""
    settings = get_settings()
    app.state.db_pool = await create_async_pool(settings.database_url)
    yield
    await app.state.db_pool.dispose()


async def get_session(request: Request) -> AsyncGenerator[AsyncSession]:
    """A request-scoped dependency owns the session of the request."""
    async with async_sessionmaker(request.app.state.db_pool, expire_on_commit=False)() as session:
        yield session


class RowService:
    """Its section 3."""

    def __init__(self, db_session: AsyncSession) -> None:
        self._db = db_session

    async def fetch(self, row_id: uuid.UUID) -> RowRead:
        """One row."""
        record = await self._db.get(Row, row_id)
        if record is None:
            raise HTTPException(status.HTTP_404_NOT_FOUND, "row not found")
        return RowRead.model_validate(record)

    async def fetch_all(self) -> list[RowRead]:
        """A hundred."""
        rows = await self._db.scalars(select(Row).order_by(Row.id).limit(100))
        return [RowRead.model_validate(row) for row in rows]


async def get_row_service(db_session: Annotated[AsyncSession, Depends(get_session)]) -> RowService:
    """How the service of a request is built."""
    return RowService(db_session)


class RequestContextMiddleware(BaseHTTPMiddleware):
    """Its section 4."""

    async def dispatch(self, request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        """A request id and the time it took."""
        request_id = request.headers.get("x-request-id", str(uuid.uuid4()))
        start = time.perf_counter()
        response = await call_next(request)
        response.headers["x-request-id"] = request_id
        response.headers["x-response-time-ms"] = f"{(time.perf_counter() - start) * 1000:.1f}"
        return response


async def unhandled_exception_handler(request: Request, exc: Exception) -> JSONResponse:
    """Its section 5."""
    logger.error("unhandled exception", exc_info=exc, extra={"path": request.url.path})
    return _envelope(500, "internal_server_error", "An unexpected error occurred.")


async def http_exception_handler(_: Request, exc: Exception) -> JSONResponse:
    """The same envelope for an HTTPException."""
    assert isinstance(exc, StarletteHTTPException)  # noqa: S101 - registered for nothing else
    return _envelope(exc.status_code, "http_error", exc.detail)


async def validation_handler(_: Request, exc: Exception) -> JSONResponse:
    """And for an invalid request."""
    return _envelope(422, "validation_error", str(exc))


def _envelope(status_code: int, error: str, message: str) -> JSONResponse:
    return JSONResponse(status_code=status_code, content={"error": error, "message": message})


users_router = APIRouter(prefix="/users", tags=["users"])
orders_router = APIRouter(prefix="/orders", tags=["orders"])
rows_router = APIRouter(prefix="/rows", tags=["rows"])
RowServiceDep = Annotated[RowService, Depends(get_row_service)]


@users_router.get("/{user_id}", response_model=UserResponse)
async def get_user(user_id: int) -> UserResponse:
    """Its section 2."""
    return UserResponse(user_id=user_id)


@orders_router.post("", response_model=Order, status_code=201)
async def place_order(order: Order) -> Order:
    """The POST with six fields."""
    return order


@rows_router.get("", response_model=list[RowRead])
async def list_rows(service: RowServiceDep) -> list[RowRead]:
    """A hundred rows."""
    return await service.fetch_all()


@rows_router.get("/{row_id}", response_model=RowRead)
async def read_row(service: RowServiceDep, row_id: uuid.UUID) -> RowRead:
    """One row."""
    return await service.fetch(row_id)


def create_app() -> FastAPI:
    """Its factory: routers by domain, one middleware, one envelope."""
    app = FastAPI(lifespan=lifespan)
    app.add_middleware(RequestContextMiddleware)
    app.add_exception_handler(Exception, unhandled_exception_handler)
    app.add_exception_handler(StarletteHTTPException, http_exception_handler)
    app.add_exception_handler(RequestValidationError, validation_handler)
    for router in (users_router, orders_router, rows_router):
        app.include_router(router)
    return app
