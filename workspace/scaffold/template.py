"""The service that new ones are made from, and the words that are put in the place of its own."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import inflection

TEMPLATE = Path(__file__).parents[1] / "template"
SERVICE, SLICE, SINGULAR, PREFIX = "acme", "widgets", "widget", "wdg"
PACKAGE_OF_SLICE = Path("src", SERVICE, SLICE)
TESTS_OF_SLICE = (Path("tests", f"test_{SLICE}.py"), Path("tests", f"test_{SLICE}_events.py"))
# Of two words that begin alike, the longer one is looked for first.
WORDS = re.compile(r"acme|ACME|Acme|widgets|WIDGETS|Widgets|widget|WIDGET|Widget|wdg")


@dataclass(frozen=True, slots=True)
class Names:
    """What the words of the template become: service `orders`, slice `baskets`, singular `basket`, prefix `bas`."""

    service: str
    slice: str
    singular: str
    prefix: str

    def put(self, text: str) -> str:
        """The text with these names in the place of the template's."""
        plain = {SERVICE: self.service, SLICE: self.slice, SINGULAR: self.singular}
        words = {PREFIX: self.prefix}
        for word, name in plain.items():
            words |= {word: name, word.upper(): name.upper(), word.capitalize(): inflection.camelize(name)}
        return WORDS.sub(lambda found: words[found[0]], text)


def parts_of_service() -> list[Path]:
    """Every file of the template, as a path in it."""
    return sorted(_parts())


def parts_of_slice() -> list[Path]:
    """The files of the template that are its slice."""
    return [part for part in parts_of_service() if part in TESTS_OF_SLICE or PACKAGE_OF_SLICE in part.parents]


def modules() -> set[str]:
    """The modules and packages in the template's package."""
    return {part.parts[2].removesuffix(".py") for part in _parts() if part.parts[:2] == ("src", SERVICE)}


def _parts() -> Iterator[Path]:
    for path in TEMPLATE.rglob("*"):
        part = path.relative_to(TEMPLATE)
        # Not what tools keep there.
        if path.is_file() and not any(name.startswith((".", "__pycache__")) for name in part.parts):
            yield part


def rendered(parts: list[Path], names: Names, folder: Path) -> dict[Path, str]:
    """What the files of a service in this folder would say that these parts of the template become."""
    return {folder / names.put(str(part)): names.put((TEMPLATE / part).read_text()) for part in parts}


def write(files: dict[Path, str]) -> None:
    """Writes each file, and the folders that it is in."""
    for file, text in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
