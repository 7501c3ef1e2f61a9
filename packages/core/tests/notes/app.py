"""The table of contents of notes."""

from fastapi import FastAPI

from core.application import service
from core.ports import Ports
from notes.pages.announcements import announcements
from notes.pages.handlers import handlers
from notes.pages.jobs import jobs
from notes.pages.replays import replays
from notes.pages.router import router as pages
from notes.settings import Settings

__all__ = ["Settings", "create_app"]


def create_app(settings: Settings, ports: Ports = Ports()) -> FastAPI:
    return service(
        "notes",
        settings,
        ports,
        routers=[pages],
        announces=[announcements],
        handlers=[handlers],
        replays=[replays],
        jobs=[jobs],
    )
