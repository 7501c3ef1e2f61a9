"""`gateway`: starts PostgreSQL, prepares every installed service, and serves them all on one port."""

import socket
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from core.cli import clear_failures
from core.local.host import LocalHost, say
from core.local.reloading import end_with_parent, serve_reloading
from core.ports import Seed
from core.server import listen, serve
from core.services import installed_services
from core.settings import load
from core.telemetry.exchange import Identity
from core.telemetry.logs import logging_to_stdout
from gateway.app import MAILBOX_PATH, NAME, create_app
from gateway.services import HostedServices, configure
from gateway.settings import GatewaySettings

cli = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@cli.command()
def gateway(
    host: Annotated[str | None, typer.Option(help="The address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="The port to listen on.")] = None,
    *,
    reload: Annotated[bool, typer.Option("--reload", help="Start anew whenever a source file changes.")] = False,
) -> None:
    """Run every installed service in one process, with an embedded PostgreSQL."""
    settings = _settings({"host": host, "port": port})
    listener = listen(settings.server.host, settings.server.port)
    local_host = LocalHost.at(NAME, settings.data_dir)
    with local_host.running():
        for hosted in configure(installed_services(), local_host, url=settings.public_url):
            local_host.prepare(hosted.service, hosted.settings)
        _say_what_runs(settings, local_host)
        if not reload:
            code = _serve(settings, listener)
        else:
            serve_reloading(partial(_serve_child, settings), listener=listener, watched=_sources())
            code = 0
    sys.exit(code)


def _settings(server: dict[str, Any]) -> GatewaySettings:
    given = {name: value for name, value in server.items() if value is not None}
    # Beneath everything else, so that another environment is refused and not overridden.
    return load(GatewaySettings, defaults={"environment": "local"}, overrides={"server": given}).settings


def _serve(settings: GatewaySettings, listener: socket.socket) -> int:
    local_host = LocalHost.at(NAME, settings.data_dir)
    services = HostedServices(configure(installed_services(), local_host, url=settings.public_url))
    app = create_app(settings, services, seed=_seed(settings, local_host), mail_folder=local_host.mail_folder)
    process = Identity.of(NAME, settings.environment)
    with logging_to_stdout(level=settings.logs.level, form=settings.logs.format, process=process):
        return serve(app, settings.server, listener=listener)


def _serve_child(settings: GatewaySettings, sockets: list[socket.socket] | None) -> None:
    end_with_parent()
    (listener,) = sockets or []
    with clear_failures():
        code = _serve(settings, listener)
    sys.exit(code)


def _seed(settings: GatewaySettings, local_host: LocalHost) -> Seed:
    password = settings.admin_password
    generated = local_host.directory.secret("admin-password") if password is None else password.get_secret_value()
    return Seed(admin_email=settings.admin_email, admin_password=generated)


def _sources() -> list[Path]:
    names = ["core", NAME, *(service.name for service in installed_services())]
    specs = [find_spec(name) for name in names]
    return [Path(folder) for spec in specs if spec for folder in spec.submodule_search_locations or ()]


def _say_what_runs(settings: GatewaySettings, local_host: LocalHost) -> None:
    url = settings.public_url
    seed = _seed(settings, local_host)
    rows = [(service.name, f"{url}/{service.name}") for service in installed_services()]
    rows += [
        ("documentation", f"{url}/docs"),
        ("mailbox", f"{url}{MAILBOX_PATH}"),
        # Shown only because it is this machine's own, generated or chosen by whoever sits here.
        ("admin sign-in", f"{seed.admin_email} / {seed.admin_password}"),
        ("data", str(local_host.directory.path)),
    ]
    width = max(len(name) for name, _ in rows)
    say("\n".join(f"  {name:<{width}}  {value}" for name, value in rows))


def main() -> None:
    """The console script."""
    with clear_failures():
        cli()
