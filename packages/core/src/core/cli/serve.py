"""`billing serve`: the service alone, as it runs in a container."""

import socket
import sys
from typing import Annotated

import typer

from core.application import ChassisApp
from core.ports import Ports
from core.server import listen
from core.server import serve as serve_until_signal
from core.services import Service
from core.settings import load
from core.telemetry.logs import logging_to_stdout

Host = Annotated[str | None, typer.Option(help="The address to listen on.")]
Port = Annotated[int | None, typer.Option(help="The port to listen on.")]


def serve(context: typer.Context, host: Host = None, port: Port = None) -> None:
    """Serve this service alone, with the settings of the environment."""
    service: Service = context.obj
    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings = load(service.settings, overrides={"server": given}).settings
    with listen(settings.server.host, settings.server.port) as listener:
        code = run(service.create_app(settings, Ports()), listener)
    sys.exit(code)


def run(app: ChassisApp, listener: socket.socket) -> int:
    """Serves until a signal, with log lines on standard output; returns the exit code of the process."""
    logs = app.settings.logs
    with logging_to_stdout(level=logs.level, form=logs.format, process=app.identity):
        return serve_until_signal(app, app.settings.server, listener=listener)
