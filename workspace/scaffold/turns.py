"""One command at a time on a committed tree, and what is to be undone after one that was killed."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from core.local.locks import hold_if_free
from workspace.scaffold import worktree
from workspace.scaffold.refusals import Refused

FOLDER = Path(".local/scaffold")
# Held by the living process, and says which command that is.
LOCK = FOLDER / "lock"
# Names what a killed command may have changed: one path a line, below the command.
NOTE = FOLDER / "running"


@contextmanager
def turn(root: Path, command: str) -> Iterator[None]:
    """Keeps other commands off the workspace until the block ends, or the process does.

    Raises:
        Refused: another one is running.
    """
    (root / FOLDER).mkdir(parents=True, exist_ok=True)
    lock = hold_if_free(root / LOCK)
    if lock is None:
        raise Refused(f"`{(root / LOCK).read_text()}` is running: wait until it has ended.")
    try:
        (root / LOCK).write_text(command)
        yield
    finally:
        os.close(lock)


def check_clean(root: Path) -> None:
    """What a command makes is to be seen by itself, and nobody's work to be lost.

    Raises:
        Refused: something is not committed; the text says how to go on.
    """
    changed = worktree.changes(root)
    note = root / NOTE
    if not changed:
        note.unlink(missing_ok=True)
        return
    if note.exists():
        command, *paths = note.read_text().splitlines()
        known = [path for path in paths if worktree.is_tracked(root, path)]
        undo = f"git checkout -- {' '.join(known)} && git clean -fdxq -- {' '.join(paths)} && uv sync"
        raise Refused(f"`{command}` was killed half-way; this undoes what it did: {undo}")
    more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
    raise Refused(f"There are changes that are not committed ({changed[0]}{more}): commit or stash them first.")


@contextmanager
def noted(root: Path, command: str, paths: Sequence[Path]) -> Iterator[None]:
    """Leaves a note if the process is killed in the block, by which `check_clean` knows whose changes they are."""
    note = root / NOTE
    note.write_text("\n".join([command, *(str(path.relative_to(root)) for path in paths)]))
    try:
        yield
    finally:
        note.unlink()
