"""`billing serve`: the service alone, as it runs in a container."""

import sys
from typing import Annotated, Any

import typer

from core.ports import Ports
from core.server import listen
from core.server import serve as run
from core.services import Service
from core.settings import load
from core.telemetry.logs import logging_to_stdout

Host = Annotated[str | None, typer.Option(help="The address to listen on.")]
Port = Annotated[int | None, typer.Option(help="The port to listen on.")]


def serve(context: typer.Context, host: Host = None, port: Port = None) -> None:
    """Serve this service alone, with the settings of the environment."""
    service: Service = context.obj
    settings = load(service.settings, overrides=server_overrides(host, port)).settings
    with (
        listen(settings.server.host, settings.server.port) as listener,
        logging_to_stdout(level=settings.logs.level, form=settings.logs.format),
    ):
        code = run(service.create_app(settings, Ports()), settings.server, listener=listener)
    sys.exit(code)


def server_overrides(host: str | None, port: int | None) -> dict[str, Any]:
    """What the command line says about the server, over everything else."""
    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    return {"server": given} if given else {}
