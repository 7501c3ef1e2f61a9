"""`billing events forget`: has a handler make anew what it makes, from what it is told again."""

import sys

import typer

from core.application import ChassisApp
from core.cli.applications import application_of, run_opened
from core.cli.arguments import Handler, Yes, refuse_unknown
from core.cli.progress import ProgressLine, grouped
from core.database import Database
from core.events.upkeep.dead import Chosen, DeadEvents
from core.events.upkeep.forgetting import Forgetting

_UNDONE = "Retried after this, they would undo what is newer: discard them first."


def forget(context: typer.Context, consumer: Handler, *, yes: Yes = False) -> None:
    """Let a handler forget how far it is with each subject, so that it handles anew what is told again."""
    app = application_of(context.obj)
    refuse_unknown(app, consumer)
    if not yes:
        subjects, superseded = run_opened(app, lambda resources: _known(resources.database, consumer))
        typer.echo(f"{consumer} knows how far it is with {_subjects(subjects)}.")
        if superseded:
            typer.echo(f"Dead events of it that are superseded: {grouped(superseded)}. {_UNDONE}")
        typer.confirm("Let it forget?", abort=True)
    forgotten = run_opened(app, lambda resources: _forget(resources.database, consumer))
    typer.echo(f"{_subjects(forgotten)} forgotten.")
    for line in _next(app, consumer):
        typer.echo(line)


async def _known(database: Database, consumer: str) -> tuple[int, int]:
    dead = await DeadEvents(database).first(Chosen(consumer=consumer))
    return await Forgetting(database, consumer).count(), sum(each.is_superseded for each in dead)


async def _forget(database: Database, consumer: str) -> int:
    line = ProgressLine(sys.stderr)
    subjects = 0
    async for forgotten in Forgetting(database, consumer).run():
        subjects = forgotten.subjects
        waits = f"; waits for {grouped(forgotten.awaited)} under way" if forgotten.awaited else ""
        line.show(f"{grouped(subjects)} forgotten{waits}")
    line.end()
    return subjects


def _next(app: ChassisApp, consumer: str) -> list[str]:
    sources = {each.source or app.chassis_name for each in app.catalogue.subscriptions if each.consumer == consumer}
    if not app.catalogue.replays:
        sources.discard(app.chassis_name)
    if not sources:
        return [f"Nothing tells it again: {app.chassis_name} declares no replay."]
    return [f"To have it told again: {source} events replay" for source in sorted(sources)]


def _subjects(count: int) -> str:
    return "1 subject" if count == 1 else f"{grouped(count)} subjects"
