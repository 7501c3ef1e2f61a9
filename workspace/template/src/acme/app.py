"""The table of contents of acme."""

from fastapi import FastAPI

from acme.settings import Settings
from acme.widgets.announcements import announcements as widgets_announcements
from acme.widgets.handlers import handlers as widgets_handlers
from acme.widgets.replays import replays as widgets_replays
from acme.widgets.router import router as widgets_router
from core.application import service
from core.ports import Ports

__all__ = ["Settings", "create_app"]


def create_app(settings: Settings, ports: Ports = Ports()) -> FastAPI:
    """The application; builds everything and opens nothing."""
    return service(
        "acme",
        settings,
        ports,
        routers=[widgets_router],
        announces=[widgets_announcements],
        handlers=[widgets_handlers],
        replays=[widgets_replays],
    )
