"""Where one host (the gateway, or a service that runs alone) keeps what it has to remember on this machine."""

import os
import re
import secrets
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from core.local.directories import make_private, make_writable
from core.local.errors import LocalError
from core.local.locks import hold_if_free

SECRET_BYTES = 32
SECRET_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


@dataclass(slots=True)
class DataDirectory:
    """A directory for one host at a time; `name` is what the host is called when a second one is refused."""

    name: str
    path: Path
    _lock: int | None = field(default=None, init=False, repr=False)

    @classmethod
    def locate(cls, name: str, path: Path | None = None) -> Self:
        """`path`, or else `.local/<name>` in the workspace that the working directory is in; nothing is created."""
        return cls(name, (path or workspace_root() / ".local" / name).absolute())

    def __enter__(self) -> Self:
        """Take it."""
        return self.open()

    def __exit__(self, *_: object) -> None:
        """Give it back."""
        self.close()

    def open(self) -> Self:
        """Create it if it is not there (mode 0700), and hold it until `close` or the end of this process.

        Raises:
            LocalError: it cannot be written, is no directory, or belongs to another running host.
        """
        make_writable(self.path)
        file = self.path / "lock"
        lock = hold_if_free(file)
        if lock is None:
            holder = file.read_text() or "unknown"
            raise LocalError(f"Another {self.name} (process {holder}) already uses {self.path}.")
        os.truncate(lock, 0)
        os.write(lock, str(os.getpid()).encode())
        self._lock = lock
        return self

    def close(self) -> None:
        """Let the next one in; a second call changes nothing."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def secret(self, name: str) -> str:
        """43 URL-safe characters (32 random bytes): made on first use, the same ever after, readable by this user only.

        Works without holding the directory: a command may need the key of the host that runs.

        Raises:
            LocalError: it can be neither read nor written.
            ValueError: the name is not one of lower-case letters, digits, `_` and `-`.
        """
        if not SECRET_NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot be the name of a secret.")
        make_writable(self.path)
        directory = self.path / "secrets"
        make_private(directory)
        return _read_or_create(directory / name)


def workspace_root(start: Path | None = None) -> Path:
    """The nearest directory, upwards from the working directory, that holds a uv workspace; else the start itself."""
    start = start or Path.cwd()
    return next((directory for directory in (start, *start.parents) if _is_workspace(directory)), start)


def _is_workspace(directory: Path) -> bool:
    try:
        project = tomllib.loads((directory / "pyproject.toml").read_text())
    except (OSError, ValueError):  # None, closed, or broken: whoever runs uv will hear of it.
        return False
    return "workspace" in project.get("tool", {}).get("uv", {})


def _read_or_create(path: Path) -> str:
    try:
        if not path.exists():
            _create(path)
        value = path.read_text()
    except OSError as error:
        raise LocalError(f"The secret {path} cannot be kept: {error.strerror}.") from error
    if len(value) < SECRET_BYTES:
        raise LocalError(f"The secret {path} is damaged: remove it, and what was signed with it is void.")
    return value


def _create(path: Path) -> None:
    # Written elsewhere and linked: it appears complete or not at all, and the first of two processes wins.
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(SECRET_BYTES))
            file.flush()
            os.fsync(descriptor)
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
