"""A client that goes away: one line in the log, no traceback, and nothing of it stays behind."""

import asyncio
from typing import Any

import pytest

from core.testing.conformance.differences import told
from core.testing.conformance.places import Place
from core.testing.socket_wire import SocketWire
from core.testing.wire import Wire

Lines = list[dict[str, Any]]
LENGTH = [(b"content-type", b"application/json"), (b"content-length", b"100")]


class Disconnects:
    """Each while the service waits for, or sends, something else."""

    async def test_before_its_body_is_read(self, place: Place, logs: Lines) -> None:
        wire = place.wire("POST", "/v1/exits/things", LENGTH)
        await _leave(wire)
        assert _told(logs) == [400]

    @pytest.mark.parametrize("path", ["/v1/exits/things", "/v1/exits/body"])
    async def test_while_its_body_is_read(self, place: Place, logs: Lines, path: str) -> None:
        wire = place.wire("POST", path, LENGTH)
        wire.arrive(b'{"na', more_body=True)
        await _leave(wire)
        assert _told(logs) == [400]

    async def test_while_it_waits_for_the_answer(self, place: Place, logs: Lines) -> None:
        wire = place.wire("GET", "/v1/exits/slow")
        wire.arrive()
        with place.impatient():
            await _leave(wire)
        assert _told(logs) == [504]

    async def test_while_the_answer_streams(self, place: Place, logs: Lines) -> None:
        wire = place.wire("GET", "/v1/exits/long-stream")
        wire.arrive()
        task = wire.start()
        await wire.first.wait()
        wire.disconnect()
        await asyncio.wait_for(task, 30)
        assert _told(logs) == [200]
        assert not wire.is_whole


async def _leave(wire: Wire | SocketWire) -> None:
    """Goes away as soon as the service works on the request, and waits until it does not any more."""
    task = wire.start()
    async with asyncio.timeout(30):
        await wire.begun()
        wire.disconnect()
        await task


def _told(logs: Lines) -> list[int]:
    """The statuses of the access lines; a client that went away is no failure, so nothing else is said."""
    assert not [line for line in logs if "exception" in line or line["level"] == "error"]
    return told(logs)
