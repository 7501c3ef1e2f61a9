"""The programs that a command runs: uv, ruff, and the command line of a service."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

from workspace.scaffold.refusals import Refused

# `uv run` says which uv it is: on a bare machine the one in .local/uv, which is on no PATH.
UV = os.environ.get("UV", "uv")


def lock(root: Path) -> None:
    """Writes uv.lock; every version that is locked stays."""
    _run(root, UV, "lock", "--quiet")


def install(root: Path) -> None:
    """Installs what uv.lock has gained into the environment that this runs in."""
    # What is new is a link to sources: there is nothing to compile.
    options = ("--quiet", "--locked", "--inexact", "--no-compile-bytecode", "--python", sys.executable)
    _run(root, UV, "sync", *options)


def uninstall(root: Path, service: str) -> None:
    """Removes a service from the environment that this runs in, if it is there."""
    _run(root, UV, "pip", "uninstall", "--quiet", "--python", sys.executable, service)


def command(root: Path, service: str, *arguments: str) -> None:
    """Runs the command line of a service, in a process that finds what was installed meanwhile."""
    _run(root, sys.executable, "-m", service, *arguments, without=f"{service}_")


def put_in_order(root: Path, folder: Path) -> None:
    """Sorts the imports below a folder, and formats what is there: all of it is, but for what was just written."""
    _run(root, sys.executable, "-m", "ruff", "check", "--quiet", "--select=I", "--fix", str(folder))
    _run(root, sys.executable, "-m", "ruff", "format", "--quiet", str(folder))


def _run(root: Path, *program: str, without: str | None = None) -> None:
    """Runs a program, and keeps what it says unless it fails.

    Raises:
        Refused: it failed; the text has what it said.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        # A run that may not change the lock may still ask for this command, whose purpose that is; and uv refuses to be
        # told twice what to compile.
        if name not in {"UV_LOCKED", "UV_FROZEN", "UV_COMPILE_BYTECODE"}
        and not (without and name.upper().startswith(without.upper()))
    }
    environment["UV_PROJECT_ENVIRONMENT"] = sys.prefix
    done = subprocess.run(
        program, cwd=root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, text=True
    )
    if done.returncode:
        raise Refused(f"{shlex.join(program)} failed:\n{done.stdout.rstrip()}")
