"""What an operator does about accounts at a terminal."""

import asyncio
from typing import Annotated

import typer

from core.application import ChassisApp
from core.cli import application_of, opened
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
    asyncio.run(_create(application_of(context.obj), email=email, password=password))
    typer.echo(f"{email} is an admin and can sign in.")


async def _create(app: ChassisApp, *, email: str, password: str) -> None:
    async with opened(app) as resources, resources.database.transaction() as session:
        await build(session, resources).create_admin(email=email, password=password)
