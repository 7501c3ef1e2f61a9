"""`new-service` and `remove-service`: a whole member of the workspace."""

import shutil
from pathlib import Path

from workspace.members import dependents, members_of
from workspace.scaffold import deployment, programs, registration, worktree
from workspace.scaffold.all_or_nothing import all_or_nothing
from workspace.scaffold.naming import named
from workspace.scaffold.progress import say, step
from workspace.scaffold.refusals import Refused
from workspace.scaffold.template import Names, parts_of_service, rendered, write
from workspace.scaffold.turns import check_clean, noted, turn
from workspace.scaffold.vacancy import check_service, check_visible

REMOVED = Path(".local/removed")
NEXT = """
services/{service} has a first resource at /{service}/v1/{slice}. Next:
  ./dev nox -s "tests({service})"
  ./dev gateway, and beside it:
  curl http://127.0.0.1:8000/{service}/v1/{slice} \\
    -H "Authorization: Bearer $(./dev {service} token --data .local/gateway)"
Say what one of {slice} is in {package}/{slice}/models.py, schemas.py and service.py; then
  ./dev {service} migrate new "what has changed", ./dev {service} openapi --write
Keep it: git add --all && git commit --message "Add {service}"
Or not:  ./dev nox -s remove-service -- {service}"""


def new_service(root: Path, service: str, *, slice_name: str | None, singular: str | None) -> None:
    """Makes `services/<service>` from the template and registers it.

    Raises:
        Refused: nothing has changed; the text says why.
    """
    folder, command = root / "services" / service, f"new-service {service}"
    paths = [*_shared(root), folder]

    def undo() -> None:
        programs.uninstall(root, service)

    with turn(root, command):
        with step("check the working tree and the name"):
            check_clean(root)
            check_service(root, service)
            names = named(service, service if slice_name is None else slice_name, singular)
            files = rendered(parts_of_service(), names, folder)
            check_visible(root, files)
        with noted(root, command, paths), all_or_nothing(paths, undo=undo):
            _make(root, folder, names, files)
    say(NEXT.format(service=service, slice=names.slice, package=f"services/{service}/src/{service}"))


def _make(root: Path, folder: Path, names: Names, files: dict[Path, str]) -> None:
    with step(f"write services/{names.service}"):
        write(files)
    with step("register it in pyproject.toml"):
        registration.add_service(root / "pyproject.toml", names)
    with step(f"add it to {deployment.COMPOSE} and deploy"):
        deployment.add_service(root, names.service)
    with step("uv lock"):
        programs.lock(root)
    with step("uv sync"):
        programs.install(root)
    with step(f"{names.service} migrate new {names.slice}"):
        programs.command(root, names.service, "migrate", "new", names.slice)
    with step(f"{names.service} openapi --write"):
        programs.command(root, names.service, "openapi", "--write")
    with step("sort imports and format"):
        programs.put_in_order(root, folder)


def remove_service(root: Path, service: str) -> None:
    """Takes a service out of the workspace; its folder is kept where git does not look.

    Raises:
        Refused: nothing has changed; the text says why.
    """
    with turn(root, f"remove-service {service}"):
        with step("check that nothing needs it"):
            folder = registration.folder_of(root, service)
            _check_not_needed(root, service)
            worktree.check(root)
        kept = _free(root / REMOVED, service)
        _remove(root, folder, kept)
        left = worktree.files_with(root, service)
    say(f"\n{service} is gone; what it was is in {kept.relative_to(root)}.")
    if left:
        say("\n".join([f"These say {service} still, as its name or as a word:", *(f"  {path}" for path in left)]))


def _remove(root: Path, folder: Path, kept: Path) -> None:
    service = folder.name

    def undo() -> None:
        if kept.exists():
            shutil.move(kept, folder)
        programs.install(root)

    with all_or_nothing(_shared(root), undo=undo):
        with step("take it out of pyproject.toml"):
            registration.remove_service(root / "pyproject.toml", service)
        with step(f"take it out of {deployment.COMPOSE} and deploy"):
            deployment.remove_service(root, service)
        # Before it moves: should this be killed here, `uv run` brings the lock up to date, but uninstalls nothing.
        with step("uninstall it"):
            programs.uninstall(root, service)
        with step(f"move {folder.relative_to(root)} to {kept.relative_to(root)}"):
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(folder, kept)
        with step("uv lock"):
            programs.lock(root)


def _shared(root: Path) -> list[Path]:
    """The files in which a service has lines, beside its folder."""
    return [root / file for file in ("pyproject.toml", "uv.lock", *deployment.FILES)]


def _check_not_needed(root: Path, service: str) -> None:
    if users := dependents(service, members_of(root)):
        raise Refused(f"{users[0]} depends on {service}, which its pyproject.toml declares: end that first.")


def _free(folder: Path, service: str) -> Path:
    number = 1
    while (folder / f"{service}-{number}").exists():
        number += 1
    return folder / f"{service}-{number}"
