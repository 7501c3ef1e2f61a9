"""`billing openapi`: the OpenAPI document, and the committed one that clients rely on."""

import difflib
import sys
import tomllib
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from core.cli.applications import described, described_whole
from core.services import Service
from core.web.openapi import openapi_of, rendered

COMMITTED = "openapi.json"
DIFFERENCE_LINES_MAX = 40


def openapi(
    context: typer.Context,
    write: Annotated[bool, typer.Option("--write", help="Write it to the committed file instead.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Say instead how the committed file differs.")] = False,
) -> None:
    """Print the OpenAPI document as it is served: of the routers that the environment chooses; committed are all."""
    service: Service = context.obj
    if not write and not check:
        sys.stdout.write(rendered(openapi_of(described(service))))
        return
    document = document_of(service)
    file = committed_file(service)
    if file is None:
        nowhere = f"{COMMITTED} in its package, and no pyproject.toml of a project {service.name} above it"
        _fail(f"{service.name} is installed here and not developed: there is no {nowhere}.")
    if write:
        file.write_text(document)
    elif found := difference(file, document):
        _fail(f"{file} is not what the code says.\n{found}\n{how_to_update(service)}")


def _fail(sentence: str) -> NoReturn:
    typer.echo(sentence, err=True)
    raise typer.Exit(1)


def document_of(service: Service) -> str:
    """The document of a service as the text that is committed."""
    return rendered(openapi_of(described_whole(service)))


def committed_file(service: Service) -> Path | None:
    """`openapi.json` beside the service's own pyproject.toml, or in its package; None where neither is in sight."""
    package = Path(str(service.app.__file__)).parent
    for folder in (package, *package.parents):
        if (folder / COMMITTED).is_file() or _is_project(folder / "pyproject.toml", service.name):
            return folder / COMMITTED
    return None


def _is_project(file: Path, name: str) -> bool:
    return file.is_file() and tomllib.loads(file.read_text()).get("project", {}).get("name") == name


def difference(file: Path, document: str) -> str:
    """What the document has and the file has not, as the first lines of a diff; empty when they are equal."""
    committed = file.read_text() if file.is_file() else ""
    lines = list(
        difflib.unified_diff(committed.splitlines(), document.splitlines(), "committed", "the code's", n=2, lineterm="")
    )
    more = len(lines) - DIFFERENCE_LINES_MAX
    return "\n".join([*lines[:DIFFERENCE_LINES_MAX], *([f"and {more} lines more"] if more > 0 else [])])


def how_to_update(service: Service) -> str:
    """The command that commits what the code says."""
    return f"If the change is meant, run: {service.name} openapi --write"
