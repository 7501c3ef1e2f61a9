"""A client that goes away: one line in the log, no traceback, and nothing of it stays behind."""

import asyncio
from typing import Any

from core.testing.conformance.grounds import Place
from core.testing.wire import Wire

Lines = list[dict[str, Any]]
LENGTH = [(b"host", b"service.test"), (b"content-type", b"application/json"), (b"content-length", b"100")]


class Disconnects:
    """Each while the service waits for, or sends, something else."""

    async def test_before_its_body_is_read(self, place: Place, logs: Lines) -> None:
        wire = _wire(place, "POST", "/v1/exits/things", headers=LENGTH)
        wire.disconnect()
        await _ended(wire)
        assert _told(logs) == [400]

    async def test_while_its_body_is_read(self, place: Place, logs: Lines) -> None:
        for path in ("/v1/exits/things", "/v1/exits/body"):
            logs.clear()
            wire = _wire(place, "POST", path, headers=LENGTH)
            wire.arrive(b'{"na', more_body=True)
            wire.disconnect()
            await _ended(wire)
            assert _told(logs) == [400]

    async def test_while_it_waits_for_the_answer(self, place: Place, logs: Lines) -> None:
        wire = _wire(place, "GET", "/v1/exits/slow")
        wire.arrive()
        wire.disconnect()
        with place.impatient():
            await _ended(wire)
        assert _told(logs) == [504]

    async def test_while_the_answer_streams(self, place: Place, logs: Lines) -> None:
        wire = _wire(place, "GET", "/v1/exits/long-stream")
        wire.arrive()
        task = wire.start()
        await wire.first.wait()
        wire.disconnect()
        await asyncio.wait_for(task, 30)
        assert _told(logs) == [200]
        assert not wire.is_whole


def _wire(place: Place, method: str, path: str, **scope: Any) -> Wire:
    return Wire(place.served, method, f"{place.prefix}{path}", state=dict(place.state), **scope)


async def _ended(wire: Wire) -> None:
    await asyncio.wait_for(wire.start(), 30)


def _told(logs: Lines) -> list[int]:
    """The statuses of the access lines; a client that went away is no failure, so nothing else is said."""
    assert not [line for line in logs if "exception" in line or line["level"] == "error"]
    return [line["status"] for line in logs if line["event"] == "request"]
