"""Migrations as files: `0001_customers.py`, `0002_refunds.py`, each known by its whole name, one after the other."""

import re
import unicodedata
from collections.abc import Sequence
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

from core.migrations.errors import MigrationError

# Alembic's column for it is VARCHAR(32). The whole name, not the number alone: the same number on two branches of the
# code then is an error in the database that has seen the other one, and not a migration that silently never runs.
NAME_CHARACTERS_MAX = 32

_NAME = re.compile(r"\d{4}(_[a-z0-9]+)+")


def folder_of(package: str) -> Path:
    """Where the migrations of a service are: its package `migrations`, found without importing it.

    Raises:
        MigrationError: the service has none.
    """
    spec = find_spec(f"{package}.migrations")
    if spec is None or not spec.submodule_search_locations:
        raise MigrationError(f"{package} has no package {package}.migrations; make one with an __init__.py")
    return Path(spec.submodule_search_locations[0])


def names_in(folder: Path) -> list[str]:
    """The names of the migrations, in order.

    Raises:
        MigrationError: a file is named otherwise, or two migrations have one number.
    """
    names = sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")
    for name in names:
        if not _NAME.fullmatch(name) or len(name) > NAME_CHARACTERS_MAX:
            raise MigrationError(
                f"{name}.py in {folder} is not named like 0001_add_refunds, in {NAME_CHARACTERS_MAX} characters at most"
            )
    for earlier, later in pairwise(names):
        if number_of(earlier) == number_of(later):
            raise MigrationError(f"{earlier} and {later} have one number: renumber the one that was merged last")
    return names


def number_of(name: str) -> int:
    """The number that a name begins with."""
    return int(name[:4])


def is_name(text: str) -> bool:
    """Whether this could be a migration of ours."""
    return _NAME.fullmatch(text) is not None


def next_name(names: Sequence[str], message: str) -> str:
    """The name of the migration after these: the next number and what fits of the message's words.

    Raises:
        MigrationError: the message has no words.
    """
    name = f"{number_of(names[-1]) + 1 if names else 1:04d}"
    # Without their accents: "Größe" is grosse.
    letters = unicodedata.normalize("NFKD", message.casefold()).encode("ascii", "ignore").decode()
    words = re.findall(r"[a-z0-9]+", letters)
    if not words:
        raise MigrationError("say in a few words what the migration does")
    for word in words:
        if len(name) + 1 + len(word) > NAME_CHARACTERS_MAX:
            break
        name = f"{name}_{word}"
    return name if is_name(name) else f"{name}_{words[0][: NAME_CHARACTERS_MAX - len(name) - 1]}"
