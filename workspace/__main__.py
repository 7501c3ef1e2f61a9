"""The commands that nox sessions run: `python -m workspace new-service orders`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from workspace.affected.changes import NothingToCompareWithError
from workspace.affected.command import affected
from workspace.isolation.command import build, declarations
from workspace.migrations.lint import WrongBaselineError, lint_migrations
from workspace.rolling.command import rolling
from workspace.rolling.history import UnknownBaseError
from workspace.rolling.trials import BrokenTrialError
from workspace.scaffold.all_or_nothing import Stopped
from workspace.scaffold.refusals import Refused
from workspace.scaffold.services import new_service, remove_service
from workspace.scaffold.slices import new_slice

ROOT = Path(__file__).parents[1]

REFUSALS = (BrokenTrialError, NothingToCompareWithError, Refused, UnknownBaseError, WrongBaselineError)

cli = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)

Singular = Annotated[str | None, typer.Option(help="What one of the slice's resource is called: basket.")]


@cli.command("new-service")
def _new_service(
    name: str,
    slice_name: Annotated[str | None, typer.Option("--slice", help="Its first slice; the service's name.")] = None,
    singular: Singular = None,
) -> None:
    """Make services/NAME, with one slice, from the template."""
    new_service(ROOT, name, slice_name=slice_name, singular=singular)


@cli.command("remove-service")
def _remove_service(name: str) -> None:
    """Take services/NAME out of the workspace; it is kept in .local/removed."""
    remove_service(ROOT, name)


@cli.command("new-slice")
def _new_slice(service: str, name: str, singular: Singular = None) -> None:
    """Add a slice to a service."""
    new_slice(ROOT, service, name, singular=singular)


@cli.command("affected")
def _affected(
    base: Annotated[str, typer.Option(help="Where the change will land.")] = "origin/main",
    everything: Annotated[bool, typer.Option("--all", help="Leave nothing out, whatever has changed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One object, with a matrix for CI.")] = False,
) -> None:
    """Print whose tests a change can make come out otherwise, and why."""
    affected(ROOT, base=None if everything else base, as_json=as_json)


@cli.command("declarations")
def _declarations() -> None:
    """Hold what members import against what they declare."""
    declarations(ROOT)


@cli.command("build")
def _build(
    name: str,
    out: Annotated[Path | None, typer.Option(help="An empty folder, which keeps wheels and requirements.txt.")] = None,
) -> None:
    """Build a member, install it with nothing but what it declares, and run it there."""
    build(ROOT, name, out=out)


@cli.command("lint-migrations")
def _lint_migrations() -> None:
    """Refuse what a migration may not do to a database that others use."""
    sys.exit(0 if lint_migrations(ROOT) else 1)


@cli.command("rolling", context_settings={"ignore_unknown_options": True})
def _rolling(
    base: Annotated[str | None, typer.Option(help="The release before; where this line of work left main.")] = None,
    options: Annotated[list[str] | None, typer.Argument(help="For pytest: -k pay.")] = None,
) -> None:
    """Run the tests of each release on the schema of the other, where migrations have changed."""
    sys.exit(0 if rolling(ROOT, base=base, options=options or []) else 1)


def main() -> None:
    """Runs a command; a refusal is a sentence and no traceback."""
    try:
        cli()
    except REFUSALS as refused:
        sys.stderr.write(f"{refused}\n")
        sys.exit(1)
    except Stopped as stopped:
        sys.exit(128 + stopped.number)


if __name__ == "__main__":
    main()
