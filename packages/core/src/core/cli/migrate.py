"""`billing migrate`: the schema of the service's database."""

import asyncio
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

import typer

from core.cli.dev import data_dir
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


Dev = Annotated[bool, typer.Option("--dev", help="On the database of `dev`, in place of the configured one.")]


@contextmanager
def _database(service: Service, *, dev: bool) -> Iterator[str]:
    """The URL of the database, which is up as long as the block lasts."""
    if not dev:
        yield load(service.settings).settings.database.url.get_secret_value()
        return
    from core.local import Postgres
    from core.local.host import LocalHost

    # Shared: a `dev` that joins meanwhile keeps the server.
    with Postgres(LocalHost.at(service.name, data_dir(service.name)).postgres.root, shared=True) as postgres:
        postgres.create_database(service.name)
        yield postgres.url(service.name)


def _run(work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(work)
    except OUTAGES as failed:
        message = f"The database cannot be reached: {type(failed).__name__}: {failed}"
        raise MigrationError(message) from failed


@migrate_cli.command()
def up(context: typer.Context, dev: Dev = False) -> None:
    """Bring the schema up to date."""
    service: Service = context.obj
    with _database(service, dev=dev) as url:
        _run(service.migrations.upgrade(url))
    typer.echo(f"{service.name}: the schema is at {service.migrations.head()}")


@migrate_cli.command()
def new(
    context: typer.Context,
    message: Annotated[str, typer.Argument(help="What it does: 'add colour'.")],
    dev: Dev = False,
) -> None:
    """Write a migration from what models and schema differ in, for review."""
    service: Service = context.obj
    with _database(service, dev=dev) as url:
        path = _run(service.migrations.new(url, message))
    typer.echo(f"Written, for you to review: {path}")


@migrate_cli.command()
def check(context: typer.Context, dev: Dev = False) -> None:
    """Say whether models and schema differ; exit code 1 if they do."""
    service: Service = context.obj
    with _database(service, dev=dev) as url:
        differences = _run(service.migrations.check(url))
    for difference in differences:
        typer.echo(difference)
    if differences:
        sys.exit(1)
    typer.echo(f"{service.name}: models and schema are equal")
