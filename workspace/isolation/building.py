"""A member as it is deployed: its wheel, those of the members it stands on, and the locked versions of all the rest."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from workspace.members import closure, members_of

# `uv run` says which uv it is: on a bare machine the one in .local/uv, which is on no PATH.
UV = os.environ.get("UV", "uv")


@dataclass(frozen=True, slots=True)
class Parcel:
    """A folder with all that an environment, or an image, is made from: wheels, and requirements with their hashes."""

    folder: Path

    @property
    def requirements(self) -> Path:
        """What is no member, in its locked versions."""
        return self.folder / "requirements.txt"

    @property
    def wheels(self) -> list[Path]:
        """One of each member."""
        return sorted(self.folder.glob("*.whl"))

    def wheel_of(self, member: str) -> Path:
        """The wheel of one member."""
        (wheel,) = self.folder.glob(f"{member}-*.whl")
        return wheel


def build_parcel(root: Path, name: str, folder: Path) -> Parcel:
    """Builds a member and what it stands on, each wheel from its source distribution; no extra and no test tool.

    Raises:
        SystemExit: something does not build, or the lockfile is not up to date; uv has said why.
    """
    parcel = Parcel(folder.absolute())
    members = members_of(root)
    for each in sorted({name} | closure(members[name].dependencies, members).keys() & members.keys()):
        _uv(root, "build", f"--package={each}", f"--out-dir={parcel.folder}")
    locked = ["--locked", "--no-emit-workspace", "--no-default-groups", "--no-header", "--no-annotate"]
    _uv(root, "export", *locked, f"--package={name}", f"--output-file={parcel.requirements}")
    return parcel


def install(parcel: Parcel, environment: Path) -> Path:
    """Makes an environment of a parcel and of nothing else; gives the folder of its programs."""
    _uv(parcel.folder, "venv", f"--python={sys.executable}", str(environment))
    into = ["pip", "install", f"--python={environment}", "--compile-bytecode"]
    _uv(parcel.folder, *into, "--require-hashes", f"--requirements={parcel.requirements}")
    _uv(parcel.folder, *into, "--no-deps", *map(str, parcel.wheels))
    return environment / "bin"


def _uv(folder: Path, command: str, *arguments: str) -> None:
    done = subprocess.run([UV, command, "--quiet", *arguments], cwd=folder, check=False, stdout=subprocess.DEVNULL)
    if done.returncode:
        sys.exit(f"uv {command} {' '.join(arguments)} ended with {done.returncode}")
