"""Locks on files (flock): the kernel drops one with the last process that has it open, however that process ends.

A lock that a child inherits is the child's as well. That is how the life of a server is seen from outside: no process
id to be reused, no file to be left behind.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.local.errors import LocalError


def hold(path: Path, *, shared: bool = False) -> int:
    """Wait for the lock, then hold it until the descriptor that is returned is closed."""
    descriptor = _open(path)
    fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
    return descriptor


def hold_if_free(path: Path) -> int | None:
    """The same without waiting: None when somebody else holds the lock."""
    descriptor = _open(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def is_held(path: Path) -> bool:
    """Whether anybody holds the lock, shared or not; this process counts."""
    if not path.exists():  # Asking makes no file: the directory may be about to be removed.
        return False
    descriptor = hold_if_free(path)
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time."""
    descriptor = hold(path)
    try:
        yield
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise LocalError(f"{path} cannot be opened: {error.strerror}.") from error
