"""`billing migrate`: the schema of the service's database."""

import asyncio
import sys
from collections.abc import Coroutine
from typing import Annotated, Any, TypeVar

import typer

from core.database.outage import OUTAGES
from core.migrations import MigrationError
from core.services import Service
from core.settings import load

T = TypeVar("T")

migrate_cli = typer.Typer(help="Bring the database's schema up to date (up), write a migration (new), compare (check).")


@migrate_cli.callback(invoke_without_command=True)
def _default(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        up(context)


def _url(service: Service) -> str:
    return load(service.settings).settings.database.url.get_secret_value()


def _run(work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(work)
    except OUTAGES as failed:
        message = f"The database cannot be reached: {type(failed).__name__}: {failed}"
        raise MigrationError(message) from failed


@migrate_cli.command()
def up(context: typer.Context) -> None:
    """Bring the schema up to date."""
    service: Service = context.obj
    _run(service.migrations.upgrade(_url(service)))
    typer.echo(f"{service.name}: the schema is at {service.migrations.head()}")


@migrate_cli.command()
def new(context: typer.Context, message: Annotated[str, typer.Argument(help="What it does: 'add colour'.")]) -> None:
    """Write a migration from what models and schema differ in, for review."""
    service: Service = context.obj
    path = _run(service.migrations.new(_url(service), message))
    typer.echo(f"Written, for you to review: {path}")


@migrate_cli.command()
def check(context: typer.Context) -> None:
    """Say whether models and schema differ; exit code 1 if they do."""
    service: Service = context.obj
    differences = _run(service.migrations.check(_url(service)))
    for difference in differences:
        typer.echo(difference)
    if differences:
        sys.exit(1)
    typer.echo(f"{service.name}: models and schema are equal")
