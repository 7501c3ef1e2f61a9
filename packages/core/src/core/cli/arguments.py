"""What several commands about events are told, and what they refuse."""

from typing import Annotated

import typer

from core.application import ChassisApp

Handler = Annotated[str, typer.Argument(metavar="HANDLER", help="The handler, as `events` shows it.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def refuse_unknown(app: ChassisApp, consumer: str) -> None:
    """Refuses what is no handler here, with those that are.

    Raises:
        BadParameter: it is none.
    """
    there_are = sorted({each.consumer for each in app.catalogue.subscriptions})
    if not there_are:
        raise typer.BadParameter(f"{app.chassis_name} declares no handler")
    if consumer not in there_are:
        raise typer.BadParameter(f"there is no handler {consumer}, but {', '.join(there_are)}")
