"""Directories that can be relied on: writable ones, and private ones in places where anybody may write."""

import os
import stat
import tempfile
from pathlib import Path

from core.local.errors import LocalError

# All but passage for the group: that much core.local.account may grant.
OPEN_TO_OTHERS = 0o067


def make_writable(path: Path) -> None:
    """Create `path`, closed to others, and prove that files can be made in it; an existing one keeps its mode.

    Raises:
        LocalError: it is no directory, or nothing can be written there.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except (FileExistsError, NotADirectoryError) as error:
        file = next(found for found in (path, *path.parents) if found.exists())
        raise LocalError(f"{file} is not a directory.") from error
    except OSError as error:
        raise LocalError(f"{path} cannot be written: {error.strerror}.") from error


def make_private(path: Path, *, uid: int | None = None) -> None:
    """Create `path`, or make sure that nobody else made it first: its parent may be open to everybody, like /tmp.

    `uid` is a second owner that will do: the account that root runs the server as.

    Raises:
        LocalError: it belongs to another user, is open to others, is no directory (a link is none), or cannot be made.
    """
    try:
        path.mkdir(mode=0o700, exist_ok=True)
    except FileExistsError as error:
        raise LocalError(f"{path} is not a directory.") from error
    except OSError as error:
        raise LocalError(f"{path} cannot be made: {error.strerror}.") from error
    # Not stat(): a link that somebody else placed here would lead into a directory of ours.
    found = path.lstat()
    if found.st_uid not in (os.geteuid(), uid) or not stat.S_ISDIR(found.st_mode) or found.st_mode & OPEN_TO_OTHERS:
        raise LocalError(f"{path} is not a private directory of this user; remove it.")
