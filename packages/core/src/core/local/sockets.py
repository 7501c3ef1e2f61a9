"""Where the server's Unix socket is: beside the data, or in a short private directory when that path is too long."""

import hashlib
import os
import re
import sys
import tempfile
from pathlib import Path

from core.local.errors import LocalError

PORT = 5432  # Only part of the file's name: nothing listens on a network.
NAME = f".s.PGSQL.{PORT}"
# sockaddr_un.sun_path has 104 bytes on macOS and 108 on Linux, the last of them 0.
PATH_BYTES_MAX = 103 if sys.platform == "darwin" else 107
# A comma separates hosts for libpq and directories for the server, and the rest would have to be quoted in a URL.
PLAIN = re.compile(r"[\w./+-]+", re.ASCII)


def socket_directory(root: Path) -> Path:
    """The same directory for every process that names the same root; it need not exist yet.

    Raises:
        LocalError: even the path in the temporary directory is too long.
    """
    key = hashlib.sha256(os.fsencode(root)).hexdigest()[:12]
    short = Path(tempfile.gettempdir()) / f"postgres-{os.geteuid()}-{key}"
    for directory in (root / "s", short):
        if _fits(directory):
            return directory
    raise LocalError(f"A Unix socket's path has at most {PATH_BYTES_MAX} plain bytes, and {short / NAME} does not fit.")


def _fits(directory: Path) -> bool:
    path = str(directory / NAME)
    return PLAIN.fullmatch(path) is not None and len(path) <= PATH_BYTES_MAX
