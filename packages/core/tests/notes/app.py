"""The table of contents of notes."""

from fastapi import FastAPI

from core.application import service
from core.ports import Ports
from notes.pages.handlers import handlers
from notes.pages.jobs import jobs
from notes.pages.router import router as pages
from notes.settings import Settings

__all__ = ["Settings", "create_app"]


def create_app(settings: Settings, ports: Ports = Ports()) -> FastAPI:
    return service("notes", settings, ports, routers=[pages], handlers=[handlers], jobs=[jobs])
