"""`new-slice`: one more resource in a service that is there."""

from pathlib import Path

from workspace.scaffold import programs, registration
from workspace.scaffold.all_or_nothing import all_or_nothing
from workspace.scaffold.identifiers import parsed, texts
from workspace.scaffold.naming import named
from workspace.scaffold.page import add_rows
from workspace.scaffold.progress import say, step
from workspace.scaffold.template import Names, parts_of_slice, rendered, write
from workspace.scaffold.turns import check_clean, noted, turn
from workspace.scaffold.vacancy import check_slice, check_visible
from workspace.scaffold.wiring import add_declarations

NEXT = """
{service} has a slice {slice}, at /{service}/v1/{slice}. Next:
  ./dev nox -s "tests({service})" -- -k {slice}
Say what one of {slice} is in {package}/{slice}/models.py, schemas.py and service.py; then
  ./dev {service} migrate new "what has changed", ./dev {service} openapi --write
In pyproject.toml it stands above the other slices, which it may use: move the line down if one of them uses it.
Keep it: git add --all && git commit --message "Add {slice} to {service}"
Or not:  git checkout -- . && git clean -fdq services/{service}"""


def new_slice(root: Path, service: str, slice_name: str, *, singular: str | None) -> None:
    """Adds a slice from the template to a service.

    Raises:
        Refused: nothing has changed; the text says why.
    """
    command = f"new-slice {service} {slice_name}"
    with turn(root, command):
        with step("check the working tree and the names"):
            check_clean(root)
            folder = registration.folder_of(root, service)
            names = _checked(root, folder, slice_name, singular)
            files = rendered(parts_of_slice(), names, folder)
            check_visible(root, files)
        paths = [root / "pyproject.toml", folder]
        with noted(root, command, paths), all_or_nothing(paths):
            _make(root, folder, names, files)
    say(NEXT.format(service=service, slice=names.slice, package=f"services/{service}/src/{service}"))


def _checked(root: Path, folder: Path, slice_name: str, singular: str | None) -> Names:
    trees = [parsed(module) for module in sorted(folder.glob("src/**/*.py"))]
    names = named(folder.name, slice_name, singular, used=texts(trees))
    check_slice(root, names, trees)
    return names


def _make(root: Path, folder: Path, names: Names, files: dict[Path, str]) -> None:
    app = folder / "src" / names.service / "app.py"
    # What models and schema differ in would get into the migration of the slice.
    with step(f"{names.service} migrate check"):
        programs.command(root, names.service, "migrate", "check")
    with step(f"write services/{names.service}/src/{names.service}/{names.slice}"):
        write(files)
    with step("list what it declares in app.py"):
        add_declarations(app, names)
    with step("add its events to README.md"):
        add_rows(folder / "README.md", names)
    with step("register it in pyproject.toml"):
        registration.add_slice(root / "pyproject.toml", names)
    with step(f"{names.service} migrate new {names.slice}"):
        programs.command(root, names.service, "migrate", "new", names.slice)
    with step(f"{names.service} openapi --write"):
        programs.command(root, names.service, "openapi", "--write")
    with step("sort imports and format"):
        programs.put_in_order(root, folder)
