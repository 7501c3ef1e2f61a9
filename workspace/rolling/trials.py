"""One service's tests, with its code of one commit and its migrations of another, in an environment of its own."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# `uv run` says which uv it is: on a bare machine the one in .local/uv, which is on no PATH.
UV = os.environ.get("UV", "uv")
RECORDER = "rolling_recorder"


@dataclass(frozen=True, slots=True)
class Failure:
    """A test that failed, and why; refused by the database, or otherwise."""

    test: str
    why: str
    is_refused: bool


class BrokenTrialError(Exception):
    """The tests could not be run; the message says of what."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A copy of the workspace in which the migrations of one service were exchanged.

    `scratch` is for all trials of a run: an environment that was made for one is brought up to date for the next.
    """

    tree: Path
    service: Path
    scratch: Path

    def failures(self, options: Sequence[str]) -> list[Failure]:
        """Runs the tests, and gives those that failed.

        Raises:
            BrokenTrialError: there is no environment, or pytest did not get as far as the tests.
        """
        shutil.copy(Path(__file__).with_name("recorder.py"), self.scratch / f"{RECORDER}.py")
        report, environment = self.scratch / "report", self.scratch / "environment"
        report.write_text("")
        variables = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"} | {
            "UV_PROJECT_ENVIRONMENT": str(environment),
            "PYTHONPATH": str(self.scratch),
            "ROLLING_REPORT": str(report),
        }
        name = self.service.name
        sync = [UV, "sync", "--quiet", "--locked", "--no-default-groups", f"--package={name}", "--group=test"]
        self._run([*sync, "--python", sys.executable], variables, {0})
        pytest = [environment / "bin/python", "-m", "pytest", "--quiet", "--tb=no", "--no-summary", "-p", RECORDER]
        self._run([*pytest, self.service / "tests", *options], variables, {0, 1})
        return [Failure(**json.loads(line)) for line in report.read_text().splitlines()]

    def _run(self, command: Sequence[str | Path], environment: dict[str, str], expected: set[int]) -> None:
        code = subprocess.run(command, cwd=self.tree, env=environment, check=False).returncode
        if code not in expected:
            raise BrokenTrialError(f"{Path(command[0]).name} ended with {code} in the tests of {self.service.name}")
