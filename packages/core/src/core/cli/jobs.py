"""`billing jobs`: the periodic jobs of the service, and one of them now."""

import asyncio
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import typer

from core.application import ChassisApp
from core.cli.applications import application_of, opened
from core.jobs import Job, JobState, Leases, Outcome, Runner
from core.telemetry.logs import logging_to_stdout

jobs_cli = typer.Typer(help="Show the periodic jobs, or run one now (run).")


@jobs_cli.callback(invoke_without_command=True)
def _default(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        _list(application_of(context.obj))


@jobs_cli.command()
def run(context: typer.Context, name: Annotated[str, typer.Argument(help="The job, as `jobs` shows it.")]) -> None:
    """Run a job now, due or not, unless it runs elsewhere; exit code 1 if it does not succeed."""
    app = application_of(context.obj)
    job = next((job for job in app.jobs if job.name == name), None)
    if job is None:
        names = ", ".join(sorted(job.name for job in app.jobs))
        raise typer.BadParameter(f"there is no job {name}, but {names}")
    logs = app.settings.logs
    with logging_to_stdout(level=logs.level, form=logs.format, process=app.identity):
        outcome = asyncio.run(_run(app, job))
    if outcome is None:
        typer.echo(f"{name} runs elsewhere.", err=True)
    sys.exit(0 if outcome is Outcome.SUCCEEDED else 1)


async def _run(app: ChassisApp, job: Job) -> Outcome | None:
    async with opened(app) as resources:
        runner = Runner(
            [job],
            database=resources.database,
            metrics=resources.metrics,
            resources=resources,
            tracer=resources.tracer,
        )
        return await runner.run_now(job)


def _list(app: ChassisApp) -> None:
    with logging_to_stdout(level="warning", form=app.settings.logs.format):
        states = {state.name: state for state in asyncio.run(_states(app, app.jobs))}
    width = max(len(job.name) for job in app.jobs)
    for job in sorted(app.jobs, key=lambda job: job.name):
        typer.echo(f"{job.name:<{width}}  every {job.interval}  {_told(states.get(job.name))}")


async def _states(app: ChassisApp, jobs: Sequence[Job]) -> list[JobState]:
    async with opened(app) as resources:
        return await Leases(resources.database).states(jobs)


def _told(state: JobState | None) -> str:
    if state is None:
        return "no replica has started with it yet"
    turn = f"running since {_instant(state.started_at)}" if state.running else f"due {_instant(state.due_at)}"
    failures = f"  failures {state.failures}: {state.last_error}" if state.failures else ""
    return f"{turn}  succeeded {_instant(state.succeeded_at)}{failures}"


def _instant(at: datetime | None) -> str:
    return "never" if at is None else f"{at:%Y-%m-%dT%H:%M:%SZ}"
