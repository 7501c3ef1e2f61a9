"""What a command in a copy finds around it."""

import os
import socket
import subprocess
from pathlib import Path

# What a run of nox or pytest around this one has told it, and is not meant for the copy.
OF_THIS_RUN = ("VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT", "UV_LOCKED", "UV_FROZEN", "NOX", "PYTEST", "COVERAGE", "COV_")


def environment(**told: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(OF_THIS_RUN)} | told


def run(folder: Path, *command: str) -> str:
    """Gives what the command prints if it succeeds there."""
    done = subprocess.run(
        command, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def free_ports(count: int) -> list[int]:
    """Held at the same time, so that they differ."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [each.getsockname()[1] for each in held]
    finally:
        for each in held:
            each.close()
