"""What differs between where a line of work left its base and the files as they are now, as git sees it."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path


class NothingToCompareWithError(Exception):
    """The commit to compare with cannot be found; the message is one sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A working tree."""

    root: Path

    def merge_base(self, base: str) -> str:
        """The commit at which HEAD left the base.

        Raises:
            NothingToCompareWithError: git knows no such commit.
        """
        if self._git("rev-parse", "--git-dir") is None:
            raise NothingToCompareWithError(f"{self.root} is no git repository that git would read: see `git status`")
        if self._git("rev-parse", "--verify", "--quiet", f"{base}^{{commit}}") is None:
            raise NothingToCompareWithError(
                f"git knows no commit {base!r} here: fetch it (git fetch origin), or name another with --base"
            )
        found = self._git("merge-base", base, "HEAD")
        if found is None:
            raise NothingToCompareWithError(
                f"{base!r} and HEAD have no commit in common here: "
                "fetch the whole history (git fetch --unshallow origin; in a workflow, fetch-depth: 0)"
            )
        return found.decode().strip()

    def changed_since(self, commit: str) -> list[str]:
        """Every path whose content, mode or kind differs; a rename is two of them. What git ignores is left out."""
        # Whatever the reader's own configuration says about renames and submodules.
        differing = self._paths("diff", "--name-only", "--no-renames", "--ignore-submodules=none", commit)
        untracked = self._paths("ls-files", "--others", "--exclude-standard")
        return sorted(differing | untracked)

    def text(self, path: str, *, at: str) -> str:
        """The file as it was at a commit; nothing where there was none."""
        return (self._git("cat-file", "blob", f"{at}:{path}") or b"").decode(errors="replace")

    def _paths(self, command: str, *options: str) -> set[str]:
        listed = self._git(command, "-z", *options, "--")
        if listed is None:
            raise NothingToCompareWithError(f"`git {command}` failed: see `git status`")
        return {os.fsdecode(path) for path in listed.split(b"\0") if path}

    def _git(self, *arguments: str) -> bytes | None:
        done = subprocess.run(["git", "-C", self.root, *arguments], capture_output=True, check=False)
        return None if done.returncode else done.stdout
