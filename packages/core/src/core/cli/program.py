"""Assembles the command line of one service."""

from collections.abc import Callable, Sequence
from typing import Any

import typer

from core.cli.database import psql, reset
from core.cli.dev import dev
from core.cli.events import events_cli
from core.cli.failures import clear_failures
from core.cli.inspection import routes, settings
from core.cli.jobs import jobs_cli
from core.cli.migrate import migrate_cli
from core.cli.openapi import openapi
from core.cli.serve import serve
from core.cli.token import token
from core.services import Service

Command = Callable[..., Any]


def service_cli(name: str, *, commands: Sequence[Command] = ()) -> Callable[[], None]:
    """The entry point of the console script `name`; `commands` are the service's own, named after their functions."""
    service = Service(name, f"{name}.app")
    cli = typer.Typer(name=name, no_args_is_help=False, add_completion=False, pretty_exceptions_enable=False)

    @cli.callback(invoke_without_command=True)
    def _default(context: typer.Context) -> None:
        context.obj = service
        if context.invoked_subcommand is None:
            serve(context)

    for command in (serve, dev, token, settings, routes, openapi, psql, reset, *commands):
        cli.command(command.__name__.replace("_", "-"))(command)
    cli.add_typer(migrate_cli, name="migrate")
    cli.add_typer(jobs_cli, name="jobs")
    cli.add_typer(events_cli, name="events")

    def main() -> None:
        with clear_failures():
            cli()

    return main
