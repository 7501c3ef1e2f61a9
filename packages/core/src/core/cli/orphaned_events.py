"""`billing events rename` and `discard --consumer`: what a handler left behind that is not here any more."""

import sys
from datetime import timedelta
from typing import Annotated

import typer

from core.cli.applications import application_of, run_opened
from core.cli.arguments import Handler, Yes, refuse_unknown
from core.cli.progress import ProgressLine, grouped
from core.database import Database
from core.events import Catalogue
from core.events.upkeep.orphans import Orphaned, Orphans
from core.events.upkeep.renaming import Renaming

Old = Annotated[str, typer.Argument(metavar="OLD", help="The name that it had.")]
# In a rolling deployment, or after a rollback.
_OTHERS = "A replica of another version may have that handler still, and go on storing events for it: stop those first."


def rename(context: typer.Context, old: Old, new: Handler, *, yes: Yes = False) -> None:
    """Give a handler what is kept under the name that it had before: what waits, and what it knows."""
    app = application_of(context.obj)
    refuse_unknown(app, new)
    if old in {each.consumer for each in app.catalogue.subscriptions}:
        raise typer.BadParameter(f"{old} is a handler here")
    waiting = run_opened(app, lambda resources: _waiting(Renaming(resources.database, old, new)))
    if not yes:
        typer.echo(f"{_wait(waiting)} for {old}. {_OTHERS}")
        typer.confirm(f"Give all that it left to {new}?", abort=True)
    run_opened(app, lambda resources: _rename(Renaming(resources.database, old, new)))
    typer.echo(f"{new} knows what {old} knew, and {_wait(waiting)} for it that did for the other.")


def discard_orphaned(context: typer.Context, consumer: str, *, yes: bool) -> None:
    """Counts as done what no handler here takes, of what was stored for `consumer`."""
    app = application_of(context.obj)
    total = run_opened(app, lambda resources: _orphaned(Orphans(resources.database, app.catalogue), consumer))
    if not yes:
        typer.echo(f"Events for {consumer} that nobody here handles, dead ones among them: {grouped(total)}. {_OTHERS}")
        typer.confirm("Discard what nobody here handles?", abort=True)
    discarded = run_opened(app, lambda resources: _discard(resources.database, app.catalogue, consumer, total))
    typer.echo(f"{grouped(discarded)} discarded.")


def orphaned_line(orphaned: Orphaned) -> str:
    """How many wait for a handler that is not here, and for how long."""
    age = timedelta(seconds=int(orphaned.oldest_s))
    return f"of {orphaned.source}  {orphaned.consumer}  {grouped(orphaned.events)} waiting, the oldest for {age}"


async def _waiting(renaming: Renaming) -> int:
    if not await renaming.is_known():
        raise typer.BadParameter(f"nothing is kept for {renaming.old}")
    return await renaming.waiting()


async def _rename(renaming: Renaming) -> None:
    if await renaming.is_running():
        raise typer.BadParameter(f"a replica handles events for {renaming.old} now: stop those of another version")
    await renaming.run()


async def _orphaned(orphans: Orphans, consumer: str) -> int:
    total = await orphans.count(consumer)
    if not total:
        raise typer.BadParameter(f"nothing for {consumer} is without a handler: name events, or say --all")
    return total


async def _discard(database: Database, catalogue: Catalogue, consumer: str, total: int) -> int:
    line = ProgressLine(sys.stderr)
    discarded = 0
    async for page in Orphans(database, catalogue).discard(consumer):
        discarded += page
        line.show(f"{grouped(discarded)} / {grouped(total)}")
    line.end()
    return discarded


def _wait(count: int) -> str:
    return "1 event waits" if count == 1 else f"{grouped(count)} events wait"
