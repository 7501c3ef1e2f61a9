"""What a service is made of, without starting it: its settings, its routes, its OpenAPI document."""

import sys
from typing import Annotated

import orjson
import typer
from fastapi import FastAPI
from fastapi.routing import APIRoute

from core.ports import Ports
from core.services import Service
from core.settings import describe, env_example, load
from core.web.documentation import openapi_of


def settings(
    context: typer.Context,
    env_example_: Annotated[
        bool, typer.Option("--env-example", help="Print a file of every variable with its default instead.")
    ] = False,
) -> None:
    """Print every setting: its variable, its value (secrets hidden), where it came from."""
    service: Service = context.obj
    if env_example_:
        sys.stdout.write(env_example(service.settings))
        return
    for row in describe(load(service.settings)):
        typer.echo(f"{row.variable}={row.value}  # {row.origin}")


def routes(context: typer.Context) -> None:
    """Print every operation of the API."""
    service: Service = context.obj
    for route in _app(service).routes:
        if isinstance(route, APIRoute):
            typer.echo(
                f"{','.join(sorted(route.methods or ())):<7} {route.path:<50} {route.operation_id or route.unique_id}"
            )


def openapi(context: typer.Context) -> None:
    """Print the OpenAPI document, as it is committed and served."""
    service: Service = context.obj
    document = orjson.dumps(openapi_of(_app(service)), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    sys.stdout.write(document.decode())


def _app(service: Service) -> FastAPI:
    # Local defaults fill in the rest; nothing is opened, so the database need not exist.
    settings = service.settings(environment="local", database={"url": "postgresql://localhost/unused"})
    return service.create_app(settings, Ports())
