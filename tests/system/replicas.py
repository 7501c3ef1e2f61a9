"""A service as a process that may be stopped, killed and started again."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from processes import PATIENCE_S, answers, only, until


class Replica:
    """One process of a service; it writes to a file, which tells what it said."""

    def __init__(self, name: str, *, port: int, environment: Mapping[str, str], folder: Path) -> None:
        self.address = f"127.0.0.1:{port}"
        self.output = folder / f"{name}-{port}.log"
        self._command = [sys.executable, "-m", name, "serve", "--port", str(port)]
        self._environment = only(environment)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it is ready."""
        with self.output.open("a") as output:
            started = subprocess.Popen(
                self._command, env=self._environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        self._process = started
        until(lambda: answers(f"http://{self.address}/readyz") or started.poll() is not None, "it is not ready")
        assert started.poll() is None, self.output.read_text()

    def stop(self) -> None:
        """Ends it as an operator does."""
        assert self._end(subprocess.Popen.terminate) == 0, self.output.read_text()

    def kill(self) -> None:
        """Ends it as a crash does; nothing if it has ended."""
        self._end(subprocess.Popen.kill)

    close = kill

    def _end(self, how: Callable[[subprocess.Popen[bytes]], None]) -> int | None:
        process, self._process = self._process, None
        if process is None:
            return None
        how(process)
        return process.wait(PATIENCE_S)
