"""However a request ends, it ends the same way in every topology: one shape, one id, one line, one traceback."""

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from core.testing.conformance.differences import AT_THE_EDGE, NO_HTTP, seen, told
from core.testing.conformance.grounds import AT_ONCE
from core.testing.conformance.places import Place
from core.testing.exits import AFTERWARDS, CUT_SHORT, EXITS, Exit
from core.testing.locally import WEB_ORIGIN
from core.testing.problems import problem

Lines = list[dict[str, Any]]
ASKED = "asked-1"
_AT_THE_EDGE = [exit_ for name, exit_ in EXITS.items() if name in AT_THE_EDGE or name in NO_HTTP]


class Exits:
    """The matrix of core.testing.exits."""

    @pytest.mark.parametrize("exit_", EXITS.values(), ids=EXITS)
    async def test_every_exit_is_one_problem_one_id_one_line(
        self, places: Mapping[str, Place], exit_: Exit, logs: Lines
    ) -> None:
        answers = []
        for place in places.values():
            if place.is_edge and exit_ in _AT_THE_EDGE:
                continue
            logs.clear()
            response = await _take(exit_, place)
            assert problem(response) == (exit_.status, exit_.code)
            assert exit_.tells.items() <= dict(response.headers).items()
            assert "canary" not in response.text
            _check_lines(logs, exit_, response)
            answers.append(seen(response))
        assert all(answer == answers[0] for answer in answers)

    @pytest.mark.parametrize("exit_", AFTERWARDS.values(), ids=AFTERWARDS)
    async def test_a_failure_after_the_answer_does_not_change_it(
        self, places: Mapping[str, Place], exit_: Exit, logs: Lines
    ) -> None:
        for place in places.values():
            logs.clear()
            response = await _take(exit_, place)
            assert (response.status_code, response.text) in [(200, '{"name":"sent"}'), (200, "whole")]
            _check_lines(logs, exit_, response)

    @pytest.mark.parametrize("exit_", CUT_SHORT.values(), ids=CUT_SHORT)
    async def test_a_response_that_breaks_off_stays_cut_short(
        self, places: Mapping[str, Place], exit_: Exit, logs: Lines
    ) -> None:
        for place in places.values():
            logs.clear()
            with pytest.raises(httpx.RemoteProtocolError, match="without a whole response"):
                await exit_.take(place.client, **{"X-Request-ID": ASKED})
            _check_lines(logs, exit_, None)

    async def test_events_that_break_off_are_one_line_and_one_traceback(self, place: Place, logs: Lines) -> None:
        """FastAPI may end such a stream as if it were whole; who listens to one comes back either way (EventSource)."""
        wire = place.wire("GET", "/v1/exits/events-break-later")
        wire.arrive()
        await wire.start()
        assert wire.body == b'data: {"name":"first"}\n\n'
        assert told(logs) == [200]
        assert len([line for line in logs if "exception" in line]) == 1

    async def test_one_request_more_than_are_served_at_once_is_told_to_come_back(self, place: Place) -> None:
        busy = [asyncio.create_task(place.client.get("/v1/exits/slow")) for _ in range(AT_ONCE)]
        while len(place.app.deadlines.requests) < AT_ONCE:  # noqa: ASYNC110 - they tell nobody that they have begun
            await asyncio.sleep(0)
        response = await place.client.get("/v1/exits/handler", headers={"Origin": WEB_ORIGIN})
        assert problem(response) == (503, "too_busy")
        assert response.headers["retry-after"] == "1"
        assert response.headers["access-control-allow-origin"] == WEB_ORIGIN
        assert (await place.client.get("/livez")).status_code == 200
        place.end_the_time()
        assert {problem(answer) for answer in await asyncio.gather(*busy)} == {(504, "timed_out")}


async def _take(exit_: Exit, place: Place) -> httpx.Response:
    response = await place.take(exit_, **{"Origin": WEB_ORIGIN, "X-Request-ID": ASKED})
    assert response.headers.get_list("x-request-id") == [ASKED]
    assert response.headers["access-control-allow-origin"] == WEB_ORIGIN
    assert response.headers["x-content-type-options"] == "nosniff"
    return response


def _check_lines(logs: Lines, exit_: Exit, response: httpx.Response | None) -> None:
    """One access line, as many tracebacks as the exit has, and all of it under the request's id."""
    ours = [line for line in logs if line.get("request_id") == ASKED]
    (access,) = [line for line in ours if line["event"] == "request"]
    assert (access["method"], access["status"]) == (exit_.method, exit_.status)
    if response is not None:
        assert access["bytes"] == len(response.content)
    # A task that runs beside the requests has its own tests.
    tracebacks = [line for line in logs if "exception" in line and "task" not in line]
    assert len(tracebacks) == exit_.tracebacks
    assert all(line in ours for line in tracebacks)
