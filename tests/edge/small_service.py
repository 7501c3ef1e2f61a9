"""A whole small service on the chassis, served as in production: `python small_service.py PORT SETTINGS`."""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Request
from pydantic import BaseModel

from core.application import chassis
from core.server import listen, serve
from core.settings import ChassisSettings
from core.telemetry.logs import logging_to_stdout
from core.testing.open_router import OpenRouter
from core.web.probes import Readiness

PORT, SETTINGS = sys.argv[1:]
router = OpenRouter(prefix="/v1", tags=["small"])
runs = 0


class Told(BaseModel):
    """What a handler has to tell."""

    client: str | None = None
    size: int = 0
    runs: int = 0


@router.get("/whoami")
async def whoami(request: Request) -> Told:
    return Told(client=None if request.client is None else request.client.host)


@router.post("/bodies")
async def bodies(request: Request) -> Told:
    global runs  # noqa: PLW0603 - that a request was begun is what is asked for
    size = len(await request.body())
    runs += 1
    return Told(size=size)


@router.get("/runs")
async def count() -> Told:
    return Told(runs=runs)


@asynccontextmanager
async def lifespan(_readiness: Readiness) -> AsyncIterator[dict[str, Any]]:
    yield {}


def main() -> int:
    settings = ChassisSettings(environment="local", public_url="http://127.0.0.1", **json.loads(SETTINGS))
    app = chassis("things", settings, routers=[router], lifespan=lifespan)
    with logging_to_stdout(level="info", form="json"):
        return serve(app, settings.server, listener=listen("127.0.0.1", int(PORT)))


if __name__ == "__main__":
    sys.exit(main())
