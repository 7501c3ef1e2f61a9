"""A chassis without a database: for tests of what stands around every handler."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from core.application import ChassisApp, chassis
from core.routing import Router
from core.settings import ChassisSettings
from core.testing import SERVICE_URL, Wire
from core.testing.locally import WEB_ORIGIN
from core.web.probes import Readiness

__all__ = ["WEB_ORIGIN", "Wire", "bare"]


@asynccontextmanager
async def nothing_to_open(_readiness: Readiness) -> AsyncIterator[Mapping[str, Any]]:
    yield {}


def bare(*routers: Router, name: str = "example", **settings: Any) -> ChassisApp:
    """An application of these routers and nothing else."""
    given = {"environment": "local", "public_url": SERVICE_URL, "cors": {"allow_origins": [WEB_ORIGIN]}} | settings
    return chassis(name, ChassisSettings(**given), routers=routers, lifespan=nothing_to_open)
