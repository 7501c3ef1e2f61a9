"""What an operator does about accounts at a terminal."""

from typing import Annotated

import typer

from core.cli import application_of, run_opened
from core.resources import Resources
from users.accounts.dependencies import build
from users.accounts.rules import normalised


def _one_address(email: str) -> str:
    try:
        normalised(email)
    except ValueError as refused:
        raise typer.BadParameter(str(refused)) from None
    return email


Email = Annotated[str, typer.Argument(callback=_one_address, help="The address of the admin: nobody's yet.")]
# Asked for, or read from a variable: an argument would stand in the history of the shell and in the list of processes.
Password = Annotated[
    str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True, envvar="CREATE_ADMIN_PASSWORD")
]


def create_admin(context: typer.Context, email: Email, password: Password) -> None:
    """Make an active, verified admin: the first one, who can make others."""
    run_opened(application_of(context.obj), lambda resources: _create(resources, email=email, password=password))
    typer.echo(f"{email} is an admin and can sign in.")


async def _create(resources: Resources, *, email: str, password: str) -> None:
    async with resources.database.transaction() as session:
        await build(session, resources).create_admin(email=email, password=password)
