"""`billing migrate`: the schema of the service's database."""

import asyncio
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

import typer

from core.database.outage import OUTAGES
from core.migrations import MigrationError
from core.services import Service
from core.settings import gather, load_database

T = TypeVar("T")

DATABASE_URL = ("database", "url")

migrate_cli = typer.Typer(help="Bring the database's schema up to date (up), write a migration (new), compare (check).")


@migrate_cli.callback(invoke_without_command=True)
def _default(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        up(context)


@migrate_cli.command()
def up(context: typer.Context) -> None:
    """Bring the schema up to date."""
    service: Service = context.obj
    _run(service.migrations.upgrade(_configured(service)))
    typer.echo(f"{service.name}: the schema is at {service.migrations.head()}")


@migrate_cli.command()
def new(
    context: typer.Context,
    message: Annotated[str, typer.Argument(help="What it does: 'add colour'.")],
    empty: Annotated[bool, typer.Option("--empty", help="Write one with nothing in it, to be filled by hand.")] = False,
) -> None:
    """Write a migration from what models and schema differ in, for review."""
    service: Service = context.obj
    if empty:
        written = service.migrations.new_by_hand(message)
    else:
        with _compared(service) as url:
            written = _run(service.migrations.new(url, message))
    if written is None:
        typer.echo(f"{service.name}: models and schema are equal, so there is nothing to write")
        return
    for caution in written.cautions:
        typer.echo(f"Review: {caution}")
    if not written.is_formatted:
        typer.echo("Not formatted: there is no ruff, neither installed here nor on PATH.")
    typer.echo(f"Written, for you to review: {written.path}")


@migrate_cli.command()
def check(context: typer.Context) -> None:
    """Say whether models and schema differ; exit code 1 if they do."""
    service: Service = context.obj
    with _compared(service) as url:
        differences = _run(service.migrations.check(url))
    for difference in differences:
        typer.echo(difference)
    if differences:
        sys.exit(1)
    typer.echo(f"{service.name}: models and schema are equal")


@contextmanager
def _compared(service: Service) -> Iterator[str]:
    """The URL of the database that models are compared with: where none is configured, a new one at the last migration.

    Raises:
        ConfigurationError: a setting is wrong, or what the environment demands is missing.
        MigrationError: there is neither a configured database nor what makes one.
    """
    given = gather(service.settings)
    is_deployed = given.is_chosen and given.environment != "local"
    if is_deployed or given.problems or DATABASE_URL in given.leaves:
        yield _configured(service)
        return
    try:
        from core.local import throw_away_database
        from core.local.data_directory import workspace_root
    except ImportError:
        variable = f"{service.name.upper()}_DATABASE__URL"
        raise MigrationError(
            f"{variable} is not set, and core[local], which brings a PostgreSQL of its own, is not installed here"
        ) from None
    with throw_away_database(str(workspace_root())) as url:
        _run(service.migrations.upgrade(url))
        yield url


def _configured(service: Service) -> str:
    return load_database(service.settings).url.get_secret_value()


def _run(work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(work)
    except OUTAGES as failed:
        message = f"The database cannot be reached: {type(failed).__name__}: {failed}"
        raise MigrationError(message) from failed
