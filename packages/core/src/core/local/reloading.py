"""Serves in a child process that starts anew whenever a source file changes; what the parent owns stays up."""

import ctypes
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from uvicorn import Config
from uvicorn.supervisors import ChangeReload

PR_SET_PDEATHSIG = 1

# A function of a module, or a partial of one: a child process is started anew and finds it by name.
Child = Callable[[list[socket.socket] | None], None]


def serve_reloading(child: Child, *, listener: socket.socket, watched: list[Path]) -> None:
    """Runs `child(sockets=[listener])` until a signal; the listener stays open, so that requests wait out a restart."""
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    config = Config("unused:app", reload=True, reload_dirs=[str(path) for path in watched], log_config=None)
    ChangeReload(config, target=child, sockets=[listener]).run()


def end_with_parent() -> None:
    """Ends this process when its parent is killed: nobody would stop it otherwise (Linux)."""
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)
