"""`billing psql` and `billing reset`: the database of a service that runs on this machine."""

import subprocess
import sys
from typing import Annotated

import typer

from core.cli.dev import data_dir
from core.services import Service


def psql(context: typer.Context) -> None:
    """Open psql on the database of `dev`, starting its PostgreSQL if need be."""
    from core.local import Postgres
    from core.local.binaries import find_binaries
    from core.local.host import LocalHost

    service: Service = context.obj
    # Shared: a `dev` that joins meanwhile keeps the server when psql leaves.
    with Postgres(LocalHost.at(service.name, data_dir(service.name)).postgres.root, shared=True) as postgres:
        postgres.create_database(service.name)
        done = subprocess.run([find_binaries().tool("psql"), postgres.url(service.name)], check=False)
    sys.exit(done.returncode)


def reset(context: typer.Context, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Delete what `dev` has stored: database, mail, keys."""
    from core.local.host import LocalHost

    service: Service = context.obj
    host = LocalHost.at(service.name, data_dir(service.name))
    if not yes:
        typer.confirm(f"Delete the database, the mail and the keys in {host.directory.path}?", abort=True)
    host.remove()
    typer.echo(f"{host.directory.path} is gone.")
