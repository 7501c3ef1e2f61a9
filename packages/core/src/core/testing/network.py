"""Tests reach this machine and nothing else, at ports that nobody else takes meanwhile."""

import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

LOOPBACK = ("127.", "::1", "localhost")
# Below those that a system gives to whoever asks for any, so that no other test is given one between two moments.
PORTS = range(10_000, 32_000)

_given: set[int] = set()


class NetworkUsed(RuntimeError):
    """A test tried to reach another machine."""


@contextmanager
def loopback_only() -> Iterator[None]:
    """Refuses connections that leave this machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and not str(address[0]).startswith(LOOPBACK):
            message = f"a test tried to reach {address}"
            raise NetworkUsed(message)
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded)
        yield


def free_port() -> int:
    """A port that nobody listens on, another one each time."""
    while True:
        port = secrets.choice(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in _given:
                _given.add(port)
                return port


def keep(port: int) -> socket.socket:
    """Keeps it from whoever looks for a free one, in any process, until it is closed; listens to nobody."""
    kept = socket.socket()
    # There may be connections of this port that wait for their end.
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    kept.bind(("127.0.0.1", port))
    return kept
