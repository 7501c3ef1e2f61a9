"""A real NATS server for tests: it may be killed, hung and started again on the same port and the same files."""

import contextlib
import os
import signal
import socket
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from core.testing.last_breath import ended_with_us
from core.testing.network import free_port

START_TIMEOUT_S = 60


class NatsServer:
    """A server with JetStream, on files in `directory`; `arguments` are its own."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        self.port = free_port()
        self._command = [str(Path(sysconfig.get_path("scripts")) / "nats-server"), "--jetstream", *arguments]
        self._command += ["--addr", "127.0.0.1", "--port", str(self.port), "--store_dir", str(directory)]
        self._directory = directory
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"nats://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process."""
        return self._processes[-1].pid

    def start(self) -> None:
        """Starts it on the files that there are, and waits until it answers."""
        null = subprocess.DEVNULL
        # Ctrl-C in the terminal is for the tests.
        server = subprocess.Popen(self._command, stdin=null, stdout=null, stderr=null, start_new_session=True)
        self._processes = [ended_with_us(server, self._directory), server]
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if server.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError("nats-server does not start")
            time.sleep(0.005)

    def kill(self) -> None:
        """Ends it as a crash would; its files stay."""
        while self._processes:
            with self._processes.pop(0) as process:
                process.kill()

    def hang(self) -> None:
        """From here on it takes connections and says nothing, like a network that swallows everything."""
        os.kill(self.pid, signal.SIGSTOP)
        os.waitpid(self.pid, os.WUNTRACED)

    def wake(self) -> None:
        """Ends that."""
        os.kill(self.pid, signal.SIGCONT)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1) as probe:
            return probe.recv(4) == b"INFO"
        return False


@contextlib.contextmanager
def nats_server(*arguments: str) -> Iterator[NatsServer]:
    """A server that runs, with files of its own, until the block ends."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        server = NatsServer(Path(directory), *arguments)
        server.start()
        try:
            yield server
        finally:
            server.kill()
