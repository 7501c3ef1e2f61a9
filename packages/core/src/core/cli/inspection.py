"""What a service is made of, without starting it: its settings, its routes."""

import sys
from typing import Annotated

import typer
from fastapi.routing import APIRoute

from core.cli.applications import described
from core.services import Service
from core.settings import ConfigurationError, describe, env_example, gather, load, outline


def settings(
    context: typer.Context,
    env_example_: Annotated[
        bool, typer.Option("--env-example", help="Print a file of every variable with its default instead.")
    ] = False,
) -> None:
    """Print every setting: its variable, its value (secrets hidden), where it came from; then what is wrong."""
    service: Service = context.obj
    if env_example_:
        sys.stdout.write(env_example(service.settings))
        return
    refused = None
    try:
        rows = describe(load(service.settings))
    except ConfigurationError as failed:
        refused, rows = failed, outline(service.settings, gather(service.settings))
    for row in rows:
        typer.echo(f"{row.variable}={row.value}  # {row.origin}")
    if refused is not None:
        raise refused


def routes(context: typer.Context) -> None:
    """Print every operation of the API."""
    service: Service = context.obj
    for route in described(service).routes:
        if isinstance(route, APIRoute):
            typer.echo(
                f"{','.join(sorted(route.methods or ())):<7} {route.path:<50} {route.operation_id or route.unique_id}"
            )
