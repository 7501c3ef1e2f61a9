"""As whom the server runs: PostgreSQL refuses to be root, and containers are mostly root."""

import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from core.local.errors import LocalError

NOBODY, NOBODY_DEFAULT = "nobody", 65_534


@dataclass(frozen=True, slots=True)
class Account:
    """How the programs of PostgreSQL are started: behind a prefix, or as another user, or (for a user) just so."""

    prefix: tuple[str, ...] = ()
    uid: int | None = None
    gid: int | None = None

    def take_over(self, root: Path, sockets: Path) -> None:
        """Make both directories the account's, where that is another user than ours, and let it through to `root`."""
        if self.uid is None or self.gid is None:
            return
        for path in (root, *root.rglob("*"), sockets):
            os.chown(path, self.uid, self.gid, follow_symlinks=False)
        # A host's data directory is closed to everybody. The group may pass through it and sees nothing in it.
        if not self._passes(root.parent):
            os.chown(root.parent, -1, self.gid)
            root.parent.chmod(stat.S_IMODE(root.parent.stat().st_mode) | stat.S_IXGRP)

    def check_way(self, path: Path) -> None:
        """Refuse a path that the account cannot reach, in a sentence that the server itself would not give.

        Raises:
            LocalError: a directory on the way is closed to the account.
        """
        for directory in path.parents:
            if self.uid is not None and not self._passes(directory):
                raise LocalError(
                    f"{directory} is closed to user {self.uid}, as whom PostgreSQL runs because it refuses root, "
                    f"and {path} is inside."
                )

    def _passes(self, directory: Path) -> bool:
        found = directory.stat()
        if found.st_uid == self.uid:
            return bool(found.st_mode & stat.S_IXUSR)
        return bool(found.st_mode & (stat.S_IXGRP if found.st_gid == self.gid else stat.S_IXOTH))


def account_for(data: Path) -> Account:
    """An ordinary user runs the server; for root, the owner of existing data does, or else somebody without rights.

    A user namespace makes root look like nobody to PostgreSQL while every file stays root's: no account is created,
    nothing changes its owner. Where namespaces are refused (Docker's default seccomp profile), it is nobody itself.
    """
    if os.geteuid() != 0:
        return Account()
    if data.exists() and (owner := data.stat()).st_uid != 0:
        return Account(uid=owner.st_uid, gid=owner.st_gid)
    uid, gid = _nobody()
    # Both look up their own name: an id that /etc/passwd does not know would not do.
    namespace = ("unshare", "--user", f"--map-user={uid}", f"--map-group={gid}", "--")
    if _works(*namespace, "true"):
        return Account(prefix=namespace)
    return Account(uid=uid, gid=gid)


def _nobody() -> tuple[int, int]:
    try:
        found = pwd.getpwnam(NOBODY)
    except KeyError:
        return NOBODY_DEFAULT, NOBODY_DEFAULT
    return found.pw_uid, found.pw_gid


def _works(program: str, *arguments: str) -> bool:
    path = shutil.which(program)
    return path is not None and subprocess.run([path, *arguments], capture_output=True, check=False).returncode == 0
