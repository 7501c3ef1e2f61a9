"""What git says of the workspace."""

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from workspace.scaffold.refusals import Refused

# What of a workspace is prose, or is written by a command.
NO_CODE = (":!*.md", ":!uv.lock", ":!pyproject.toml")


def check(root: Path) -> None:
    """Looks whether git can be asked.

    Raises:
        Refused: there is no git, or it knows no repository here.
    """
    _git(root, "rev-parse")


def changes(root: Path) -> list[str]:
    """What is not committed, as paths; ignored files are not asked for."""
    # Whatever the configuration of git says, untracked files are told.
    lines = _git(root, "status", "--porcelain", "--untracked-files=normal", "--", ".").splitlines()
    return [line[3:] for line in lines]


def ignored(root: Path, files: Iterable[Path]) -> list[str]:
    """Those of the files, be they there or not, that git would never see."""
    return _git(root, "check-ignore", "--", *(str(file.relative_to(root)) for file in files)).splitlines()


def is_tracked(root: Path, path: str) -> bool:
    """Whether the file, or one in the folder, has been committed or added."""
    return bool(_git(root, "ls-files", "--", path))


def files_with(root: Path, word: str) -> list[str]:
    """The files of code in which the word stands."""
    search = ("grep", "--untracked", "--files-with-matches", "--word-regexp", word)
    return _git(root, *search, "--", ".", *NO_CODE).splitlines()


def _git(root: Path, *arguments: str) -> str:
    git = shutil.which("git")
    if git is None:
        raise Refused("There is no git here, which would tell what a command has made: install it.")
    done = subprocess.run([git, *arguments], cwd=root, capture_output=True, check=False, text=True)
    # 1 says that there is nothing of what was asked for.
    if done.returncode > 1:
        raise Refused(f"git cannot tell what is committed: {done.stderr.strip().splitlines()[-1]}")
    return done.stdout.rstrip("\n")
