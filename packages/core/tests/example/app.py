"""The example as an application."""

from fastapi import FastAPI

from core.application import service
from core.ports import Ports
from example.settings import Settings
from example.things.announcements import announcements
from example.things.handlers import handlers
from example.things.jobs import jobs
from example.things.replays import replays
from example.things.router import v1, v2

__all__ = ["Settings", "create_app"]


def create_app(settings: Settings, ports: Ports = Ports()) -> FastAPI:
    """Builds the example; opens nothing."""
    return service(
        "example",
        settings,
        ports,
        routers=[v1, v2],
        announces=[announcements],
        handlers=[handlers],
        replays=[replays],
        jobs=[jobs],
    )
