"""The example as an application."""

from fastapi import FastAPI

from core.application import service
from core.ports import Ports
from example.settings import Settings
from example.things.handlers import handlers
from example.things.router import router

__all__ = ["Settings", "create_app"]


def create_app(settings: Settings, ports: Ports = Ports()) -> FastAPI:
    """Builds the example; opens nothing."""
    return service("example", settings, ports, routers=[router], handlers=[handlers])
