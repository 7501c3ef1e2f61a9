"""The commit that a change is compared with, and the files as they were there and are now."""

import io
import os
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

MAIN = ("origin/main", "main")


class UnknownBaseError(Exception):
    """Git knows no such commit; the message says which."""


@dataclass(frozen=True, slots=True)
class History:
    """The repository of the workspace."""

    root: Path

    def base(self, asked: str | None) -> str | None:
        """What was asked for; or else where HEAD left main, and on main the commit before. None: there is no such.

        Raises:
            UnknownBaseError: what was asked for is no commit.
        """
        if asked is not None:
            commit = self._said("rev-parse", "--verify", "--quiet", f"{asked}^{{commit}}")
            if commit is None:
                raise UnknownBaseError(f"{asked} is no commit here")
            return commit
        for main in MAIN:
            left = self._said("merge-base", "HEAD", main)
            if left is not None:
                on_main = left == self._said("rev-parse", "HEAD")
                return self._said("rev-parse", "--verify", "--quiet", "HEAD~1") if on_main else left
        return None

    def has(self, commit: str, folder: Path) -> bool:
        """Whether there was such a folder."""
        return bool(self._git("ls-tree", commit, "--", str(folder)))

    def has_changed(self, commit: str, folder: Path) -> bool:
        """Whether a file in a folder is not what it was, or new."""
        differing = self._git("diff", "--name-only", commit, "--", str(folder))
        return bool(differing or self._git("ls-files", "--others", "--exclude-standard", "--", str(folder)))

    def extract(self, commit: str, folder: Path) -> Path:
        """All files as they were, in a new folder."""
        with tarfile.open(fileobj=io.BytesIO(self._git("archive", "--format=tar", commit) or b"")) as archive:
            archive.extractall(folder, filter="data")
        return folder

    def copy(self, folder: Path) -> Path:
        """All files that git would have of those that are here, in a new folder."""
        listed = self._git("ls-files", "-z", "--cached", "--others", "--exclude-standard") or b""
        for name in filter(None, map(os.fsdecode, listed.split(b"\0"))):
            if (self.root / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(self.root / name, folder / name)
        return folder

    def _said(self, *arguments: str) -> str | None:
        said = self._git(*arguments)
        return None if said is None else said.decode().strip()

    def _git(self, *arguments: str) -> bytes | None:
        done = subprocess.run(["git", "-C", self.root, *arguments], capture_output=True, check=False)
        return None if done.returncode else done.stdout
