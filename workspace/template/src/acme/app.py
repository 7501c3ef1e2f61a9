"""The table of contents of acme."""

from fastapi import FastAPI

from acme.settings import Settings
from acme.widgets.router import router as widgets_router
from core.application import service
from core.ports import Ports

__all__ = ["Settings", "create_app"]


def create_app(settings: Settings, ports: Ports = Ports()) -> FastAPI:
    """The application; builds everything and opens nothing."""
    return service("acme", settings, ports, routers=[widgets_router])
