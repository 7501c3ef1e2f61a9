"""`billing events dead`, `retry`, `discard`: events that were given up, until somebody has seen to them."""

import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Annotated, Any, TypeVar
from uuid import UUID

import typer

from core.cli.applications import application_of, run_opened
from core.cli.arguments import Yes
from core.cli.orphaned_events import discard_orphaned
from core.cli.progress import ProgressLine, grouped
from core.events.upkeep.dead import Chosen, DeadEvent, DeadEvents

T = TypeVar("T")
Ids = Annotated[list[UUID] | None, typer.Argument(metavar="ID...", help="The events, as `dead` shows them.")]
All = Annotated[bool, typer.Option("--all", help="All that there are.")]
Type = Annotated[str | None, typer.Option("--type", help="Only those of this type.")]
Consumer = Annotated[str | None, typer.Option(help="Only those for this handler.")]
Most = Annotated[int, typer.Option("--most", min=1, help="How many to show.")]
Json = Annotated[bool, typer.Option("--json", help="A JSON object a line.")]


def dead(
    context: typer.Context, *, type_: Type = None, consumer: Consumer = None, most: Most = 50, as_json: Json = False
) -> None:
    """List the events that were given up, the one that has been dead for longest first."""
    chosen = Chosen(type=type_, consumer=consumer)

    async def look(events: DeadEvents) -> tuple[list[DeadEvent], int]:
        return await events.first(chosen, most=most), await events.count(chosen)

    shown, total = _run(context, look)
    for each in shown:
        typer.echo(each.model_dump_json() if as_json else _line(each))
    if total > len(shown):
        typer.echo(f"{grouped(total - len(shown))} more are not shown.", err=True)


def retry(
    context: typer.Context, ids: Ids = None, *, every: All = False, type_: Type = None, consumer: Consumer = None
) -> None:
    """Make dead events due again, as if they had never been tried; a running replica takes them."""
    chosen = _chosen(ids, every=every, type_=type_, consumer=consumer)
    ended, superseded = _run(context, lambda events: _end(events, chosen, events.retry))
    typer.echo(f"{_events(ended)} due again; a running {context.obj.name} takes them.")
    if superseded:
        known = "the handler knows a later state of the subject"
        typer.echo(f"Of these, {_events(superseded)} passed over: {known}.")


def discard(
    context: typer.Context,
    ids: Ids = None,
    *,
    every: All = False,
    type_: Type = None,
    consumer: Consumer = None,
    yes: Yes = False,
) -> None:
    """Count dead events as done, though nothing was done; and, by --consumer alone, those of a handler that is gone."""
    if consumer and not (ids or every or type_):
        discard_orphaned(context, consumer, yes=yes)
        return
    if every and type_ is None:
        raise typer.BadParameter("--all needs --type here")
    chosen = _chosen(ids, every=every, type_=type_, consumer=consumer)
    if not yes:
        total = _run(context, lambda events: _known(events, chosen))
        typer.confirm(f"{_events(total)} dead. Discard what nobody has handled?", abort=True)
    ended, _ = _run(context, lambda events: _end(events, chosen, events.discard))
    typer.echo(f"{_events(ended)} discarded.")


def _chosen(ids: list[UUID] | None, *, every: bool, type_: str | None, consumer: str | None) -> Chosen:
    if bool(ids) == every:
        raise typer.BadParameter("either name events, or say --all")
    return Chosen(ids=ids or None, type=type_, consumer=consumer)


def _run(context: typer.Context, work: Callable[[DeadEvents], Coroutine[Any, Any, T]]) -> T:
    app = application_of(context.obj)
    return run_opened(app, lambda resources: work(DeadEvents(resources.database)))


async def _known(events: DeadEvents, chosen: Chosen) -> int:
    """How many are chosen, each named one among them."""
    if chosen.ids is None:
        return await events.count(chosen)
    found = await events.first(chosen)
    unknown = set(chosen.ids) - {each.id for each in found}
    if unknown:
        raise typer.BadParameter(f"no such event is dead: {', '.join(sorted(map(str, unknown)))}")
    return len(found)


async def _end(
    events: DeadEvents, chosen: Chosen, pages: Callable[[Chosen], AsyncIterator[Sequence[DeadEvent]]]
) -> tuple[int, int]:
    """How many it was, and how many of them were superseded."""
    total = await _known(events, chosen)
    line = ProgressLine(sys.stderr)
    ended = superseded = 0
    async for page in pages(chosen):
        ended += len(page)
        superseded += sum(each.is_superseded for each in page)
        line.show(f"{grouped(ended)} / {grouped(total)}")
    line.end()
    return ended, superseded


def _events(count: int) -> str:
    return "1 event is" if count == 1 else f"{grouped(count)} events are"


def _line(event: DeadEvent) -> str:
    told = f"{event.id}  {event.type}  {event.subject}  since {event.dead_at:%Y-%m-%dT%H:%M:%SZ}"
    failure = event.last_error or "its process ended"
    superseded = "  superseded" if event.is_superseded else ""
    return f"{told}  attempts {event.attempts}: {failure}  {event.consumer or 'not published'}{superseded}"
