"""`billing events replay`: tells again what is, for a consumer that starts anew."""

import asyncio
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, cast
from uuid import UUID

import typer

from core.application import ChassisApp
from core.cli.applications import application_of, run_opened
from core.cli.progress import ProgressLine, grouped
from core.events import Replay
from core.events.upkeep.replaying import Progress, Replaying
from core.resources import Resources

Names = Annotated[list[str] | None, typer.Argument(metavar="NAME...", help="What to tell; without a name, everything.")]
After = Annotated[UUID | None, typer.Option(help="Go on after this one, of the first name.")]
Rate = Annotated[int | None, typer.Option(min=1, help="How many a second, at most.")]
# As a shell says of what SIGTERM has ended.
EXIT_TERMINATED = 128 + signal.SIGTERM


def replay(context: typer.Context, names: Names = None, *, after: After = None, rate: Rate = None) -> None:
    """Tell again the state of what is announced; a running replica sends it, and who knows it passes it over."""
    app = application_of(context.obj)
    chosen = _chosen(app, names)
    shown = _Shown(app.chassis_name, [each.name for each in chosen], rate)
    try:
        run_opened(app, lambda resources: _replay(resources, chosen, shown.show, after=after, rate=rate))
    except asyncio.CancelledError:
        shown.stop()
        sys.exit(EXIT_TERMINATED)
    except BaseException:
        # Ctrl-C, too.
        shown.stop()
        raise
    shown.end()


def _chosen(app: ChassisApp, names: list[str] | None) -> list[Replay]:
    there_are = {each.name: each for each in app.catalogue.replays}
    if not there_are:
        raise typer.BadParameter(f"{app.chassis_name} declares no replay")
    unknown = [name for name in names or () if name not in there_are]
    if unknown:
        raise typer.BadParameter(f"there is no replay {', '.join(unknown)}, but {', '.join(there_are)}")
    return [there_are[name] for name in dict.fromkeys(names or there_are)]


async def _replay(
    resources: Resources,
    chosen: Sequence[Replay],
    show: Callable[[Progress], None],
    *,
    after: UUID | None,
    rate: int | None,
) -> None:
    task = cast("asyncio.Task[None]", asyncio.current_task())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    replaying = Replaying(database=resources.database, resources=resources, rate=rate)
    async for progress in replaying.run(chosen, after=after):
        show(progress)


class _Shown:
    """What is shown of a replay while it runs, and how to go on should it stop."""

    def __init__(self, service: str, names: Sequence[str], rate: int | None) -> None:
        self._service = service
        self._names = names
        self._rate = rate
        self._line = ProgressLine(sys.stderr)
        self._last: dict[str, Progress] = {}

    def show(self, progress: Progress) -> None:
        if progress.name not in self._last:
            self._line.end()
        self._last[progress.name] = progress
        told = f"{progress.name} {grouped(progress.told)} / {grouped(progress.total)}"
        through = f", through {progress.through}" if progress.through else ""
        waits = f"; waits until a running {self._service} has sent what is due" if progress.is_waiting else ""
        self._line.show(f"{told}{through}{waits}")

    def end(self) -> None:
        self._line.end()
        for progress in self._last.values():
            typer.echo(f"{progress.name}: {grouped(progress.told)} told")
        typer.echo(f"What is not sent yet stands in the outbox; a running {self._service} sends it.")

    def stop(self) -> None:
        """Says how to go on, if anything has begun."""
        self._line.end()
        if not self._last:
            return
        *_, last = self._last.values()
        left = [*self._names[self._names.index(last.name) :]]
        after = ["--after", str(last.through)] if last.through else []
        rate = ["--rate", str(self._rate)] if self._rate else []
        command = " ".join([self._service, "events", "replay", *left, *after, *rate])
        typer.echo(f"Stopped; to go on: {command}", err=True)
