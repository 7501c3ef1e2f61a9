"""Runs what is installed in an environment as a deployment would, given nothing of this machine but a database."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from core.local import throw_away_database
from core.local.data_directory import workspace_root
from workspace.members import Member

PATIENCE_S = 60
HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Programs:
    """The programs of an environment, and the folder where they are run."""

    programs: Path
    folder: Path

    def run(self, *command: str, **environment: str) -> str:
        """Runs one to its end; gives what it printed.

        Raises:
            CalledProcessError: it ended with something else than 0.
        """
        done = subprocess.run(
            self._path(command), **self._place(environment), capture_output=True, check=False, timeout=PATIENCE_S
        )
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, command, done.stdout + done.stderr)
        return done.stdout

    def serve(self, *command: str, until: str, **environment: str) -> None:
        """Runs one until an address answers 200, and no longer.

        Raises:
            CalledProcessError: it does not answer, or did not stop as it was asked to.
        """
        with (self.folder / "served.log").open("w+") as log:
            serving = subprocess.Popen(self._path(command), **self._place(environment), stdout=log, stderr=log)
            deadline = time.monotonic() + PATIENCE_S
            while not (answered := _answers(until)) and serving.poll() is None and time.monotonic() < deadline:
                time.sleep(0.1)
            serving.terminate()
            try:
                code = serving.wait(PATIENCE_S)
            finally:
                serving.kill()
            if code or not answered:
                log.seek(0)
                raise subprocess.CalledProcessError(code, command, log.read())

    def _path(self, command: tuple[str, ...]) -> list[str]:
        return [str(self.programs / command[0]), *command[1:]]

    def _place(self, environment: Mapping[str, str]) -> dict[str, Any]:
        return {"cwd": self.folder, "env": {"PATH": os.environ["PATH"], **environment}, "text": True}


def breaches_of_programs(programs: Programs, member: Member) -> Iterator[str]:
    """The first thing that the programs of a member do not do where nothing but the member is installed."""
    try:
        yield from _walk(programs, member)
    except subprocess.CalledProcessError as failed:
        yield f"{' '.join(failed.cmd)} ended with {failed.returncode}:\n{failed.output}"


def _walk(programs: Programs, member: Member) -> Iterator[str]:
    programs.run("python", "-c", f"import {member.name}")
    for script in member.scripts:
        programs.run(script, "--help")
    document = member.folder / "openapi.json"
    if document.exists() and programs.run(member.name, "openapi") != document.read_text():
        yield f"{member.name} openapi prints something else than {document}"
    if member.is_service:
        with throw_away_database(str(workspace_root())) as database:
            settings = {"ENVIRONMENT": "local", "DATABASE__URL": database, "DATA_DIR": str(programs.folder / "data")}
            environment = {f"{member.name.upper()}_{name}": value for name, value in settings.items()}
            programs.run(member.name, "migrate", **environment)
            address = f"http://{HOST}:{(port := _free_port())}/livez"
            programs.serve(member.name, "serve", f"--host={HOST}", f"--port={port}", until=address, **environment)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind((HOST, 0))
        return found.getsockname()[1]


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=1).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
