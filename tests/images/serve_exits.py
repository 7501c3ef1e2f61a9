"""Runs the service of an image with the operations of the suite that fail: `python serve.py users serve`."""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import core
from core.application import ChassisApp
from core.ports import Ports
from core.routing import register
from core.services import Service
from core.settings import ServiceSettings

# The image has no test kit; this much of it is mounted.
core.__path__.append(str(Path(__file__).parent / "core"))
suite: Any = import_module("core.testing.exits")
as_it_ships = Service.create_app


def create_app(self: Service, settings: ServiceSettings, ports: Ports) -> ChassisApp:
    """The application of the image, and those operations."""
    app = as_it_ships(self, settings, ports)
    register(app, suite.exits)
    register(app, suite.transactions)
    app.add_middleware(suite.FailingLayer)
    return app


if __name__ == "__main__":
    Service.create_app = create_app
    import_module(f"{sys.argv.pop(1)}.__main__").main()
