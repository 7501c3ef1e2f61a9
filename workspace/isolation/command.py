"""The commands `declarations` and `build`: hold members against what they declare, and run them with nothing else."""

import sys
import tempfile
from pathlib import Path

import typer

from workspace.isolation.building import build_parcel, install
from workspace.isolation.declarations import breaches_of_declarations
from workspace.isolation.running import Programs, breaches_of_programs
from workspace.isolation.wheels import breaches_of_wheel
from workspace.members import members_of


def declarations(root: Path) -> None:
    """Prints what members import and do not declare, and what they declare and do not use; ends with 1 if anything."""
    _end(breaches_of_declarations(root), well="Every member declares what it imports, and uses what it declares.")


def build(root: Path, name: str, *, out: Path | None) -> None:
    """Builds a member, installs it with nothing but what it declares, and runs it there; ends with 1 if it does not."""
    member = members_of(root).get(name)
    if member is None:
        raise typer.BadParameter(f"there is no member {name}")
    if out and out.exists() and any(out.iterdir()):
        raise typer.BadParameter(f"{out} is not empty")
    with tempfile.TemporaryDirectory() as scratch:
        parcel = build_parcel(root, name, out or Path(scratch) / "parcel")
        programs = Programs(install(parcel, Path(scratch) / "environment"), Path(scratch))
        breaches = [*breaches_of_wheel(parcel.wheel_of(name), member), *breaches_of_programs(programs, member)]
    _end(breaches, well=f"{name} runs from its wheel where no sibling, extra or test tool is installed.")


def _end(breaches: list[str], *, well: str) -> None:
    typer.echo("\n".join(breaches) or well)
    sys.exit(1 if breaches else 0)
