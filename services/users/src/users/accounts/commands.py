"""What an operator does about accounts at a terminal."""

import asyncio
from typing import Annotated

import typer

from core.lifespan import Opener
from core.opening import open_resources
from core.ports import Ports
from core.services import Service
from core.settings import load
from users.accounts.dependencies import build
from users.accounts.provider import PASSWORDS
from users.accounts.rules import normalised
from users.settings import Settings


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
    service: Service = context.obj
    settings = load(Settings).settings
    asyncio.run(_create(service.name, settings, email=email, password=password))
    typer.echo(f"{email} is an admin and can sign in.")


async def _create(name: str, settings: Settings, *, email: str, password: str) -> None:
    async with Opener(name) as opener:
        # Whoever serves delivers what this announces.
        resources = await open_resources(opener, name, settings, Ports(), declared=[PASSWORDS], wake_relay=lambda: None)
        async with resources.database.transaction() as session:
            await build(session, resources).create_admin(email=email, password=password)
