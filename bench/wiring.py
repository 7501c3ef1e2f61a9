"""What surrounds a measured application: a reader of its log, a collector of its spans, a port."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from core.telemetry.logs import logging_to
from core.telemetry.writer import LineWriter

COLLECTOR = "OTEL_EXPORTER_OTLP_ENDPOINT"


@contextmanager
def log_that_is_read() -> Iterator[None]:
    """JSON lines, through the writer of production, into a pipe that another process empties."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as reader:  # noqa: S607 - POSIX
        assert reader.stdin is not None  # noqa: S101 - asked for in the line above
        writer = LineWriter(reader.stdin.fileno()).start()
        with logging_to(writer, level="info", form="json"):
            yield
        writer.stop()
        reader.stdin.close()


@contextmanager
def collector() -> Iterator[None]:
    """What starts within the block finds a collector of spans in its environment."""
    with subprocess.Popen([sys.executable, "-m", "bench.collector"], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None  # noqa: S101 - asked for in the line above
        os.environ[COLLECTOR] = f"http://127.0.0.1:{running.stdout.readline().strip()}"
        try:
            yield
        finally:
            del os.environ[COLLECTOR]
            running.terminate()


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
