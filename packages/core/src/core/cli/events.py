"""`billing events`: what the service announces, handles and can tell again, and what became of its events."""

from inspect import formatannotation

import typer

from core.application import ChassisApp
from core.cli.applications import application_of, run_opened
from core.cli.dead_events import dead, discard, retry
from core.cli.forget import forget
from core.cli.orphaned_events import orphaned_line, rename
from core.cli.replay import replay
from core.database import Database
from core.events import Announced, Catalogue, Subscription
from core.events.upkeep.backlog import EVENTS_COUNTED_MAX, INBOX_COUNTS, OUTBOX_COUNTS
from core.events.upkeep.orphans import Orphaned, Orphans

events_cli = typer.Typer(
    help="Show what is announced and handled; see to events that were given up, or have no handler; replay."
)
for command in (dead, retry, discard, replay, forget, rename):
    events_cli.command()(command)


@events_cli.callback(invoke_without_command=True)
def _default(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        _list(application_of(context.obj))


def _list(app: ChassisApp) -> None:
    for line in _declared(app.catalogue):
        typer.echo(line)
    counts, orphaned = run_opened(app, lambda resources: _waiting(resources.database, app.catalogue))
    if orphaned:
        typer.echo("no handler here")
    for each in orphaned:
        typer.echo(_aligned(each.type, orphaned_line(each)))
    for queue, states in counts.items():
        typer.echo(f"{queue:<7} {', '.join(f'{count} {state}' for state, count in states.items())}")


def _declared(catalogue: Catalogue) -> list[str]:
    told = [_aligned(type_, _fields(model)) for type_, model in sorted(catalogue.announced.items())]
    handled = [
        _aligned(each.type, f"of {each.source or catalogue.service}  {each.consumer} ({_how_often(each)})")
        for each in sorted(catalogue.subscriptions, key=lambda each: (each.type, each.consumer))
    ]
    told_again = [f"  {each.name}" for each in catalogue.replays]
    return [
        *_section("announces", told),
        *_section("handles", handled),
        *_section("tells again", told_again),
    ]


def _section(title: str, lines: list[str]) -> list[str]:
    return [title, *lines] if lines else [f"{title} nothing"]


def _aligned(type_: str, told: str) -> str:
    return f"  {type_:<28}  {told}"


def _fields(model: type[Announced]) -> str:
    return ", ".join(f"{name}: {formatannotation(field.annotation)}" for name, field in model.model_fields.items())


def _how_often(subscription: Subscription) -> str:
    return "once" if subscription.in_transaction else "at least once"


async def _waiting(database: Database, catalogue: Catalogue) -> tuple[dict[str, dict[str, int]], list[Orphaned]]:
    counts = {}
    for queue, query in (("outbox", OUTBOX_COUNTS), ("inbox", INBOX_COUNTS)):
        [found] = await database.reads.all(query, most=EVENTS_COUNTED_MAX)
        counts[queue] = found.model_dump(exclude={"oldest_s"})
    return counts, await Orphans(database, catalogue).waiting()
