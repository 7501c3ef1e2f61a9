"""One request, one answer: the same bytes and headers from the service alone, mounted, and behind the edge."""

import inspect
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from core.dependencies.identity import scopes_of
from core.ids import format_id, new_id
from core.testing.conformance.access import path_of, routes_of
from core.testing.conformance.differences import AT_THE_EDGE, NOT_BEHIND_THE_EDGE, OF_A_HOP, seen, told
from core.testing.conformance.grounds import Conforming, check_there_is
from core.testing.conformance.places import EDGE, Place
from core.testing.conformance.requests import OF_AN_OPERATION, REQUESTS
from core.testing.exits import EXITS, Exit
from core.testing.locally import WEB_ORIGIN
from core.testing.problems import problem

Lines = list[dict[str, Any]]
ASKED = {"Origin": WEB_ORIGIN, "X-Request-ID": "asked-1"}
# What a test has that asks the service in every topology.
_EVERYWHERE = {"place", "places", "somewhere", "behind_the_edge", "placing"}


class Parity:
    @pytest.fixture
    def behind_the_edge(self, places: Mapping[str, Place]) -> Place:
        """The service behind the edge."""
        check_there_is(EDGE)
        return places[EDGE]

    @pytest.mark.parametrize("asked", REQUESTS.values(), ids=REQUESTS)
    async def test_a_request_is_answered_the_same_everywhere(self, places: Mapping[str, Place], asked: Exit) -> None:
        answers = {}
        for topology, place in places.items():
            response = await place.take(asked, **{**ASKED, **asked.headers})
            assert response.status_code == asked.status, f"{topology}: {response.text}"
            answers[topology] = seen(response)
        _check_equal(answers)

    @pytest.mark.parametrize("asked", OF_AN_OPERATION)
    async def test_an_operation_refuses_the_same_everywhere(
        self, places: Mapping[str, Place], conforming: Conforming, asked: str
    ) -> None:
        scopes = scopes_of(places["standalone"].app.routes)
        token = conforming.mint(*scopes, subject=format_id("usr", new_id()))
        signed_in = {} if asked == "without a token" else {"Authorization": f"Bearer {token}"}
        for method, path in _operations(places["standalone"]):
            request: dict[str, Any] = {"method": method, "url": path, **OF_AN_OPERATION[asked]}
            request["headers"] = {**ASKED, **signed_in, **request.get("headers", {})}
            _check_equal({name: _refusal(await place.client.request(**request)) for name, place in places.items()})

    @pytest.mark.parametrize("name", AT_THE_EDGE)
    async def test_what_the_edge_refuses_is_a_problem(self, behind_the_edge: Place, logs: Lines, name: str) -> None:
        assert problem(await EXITS[name].take(behind_the_edge.client)) == AT_THE_EDGE[name]
        # A body that turns out to be too large has begun to go on, and to the service is one that breaks off.
        assert set(told(logs)) <= ({400} if EXITS[name].chunks else set())

    @pytest.mark.parametrize("path", ["/metrics", "/readyz", "/startupz"])
    async def test_what_is_for_the_orchestrator_is_for_nobody_outside(self, behind_the_edge: Place, path: str) -> None:
        assert problem(await behind_the_edge.client.get(path)) == (404, "not_found")

    async def test_a_body_that_breaks_off_ends_at_the_edge(self, behind_the_edge: Place, logs: Lines) -> None:
        wire = behind_the_edge.wire("POST", "/v1/exits/things", [(b"content-length", b"100")])
        wire.arrive(b'{"na', more_body=True)
        task = wire.start()
        # By then the service would have been asked.
        await behind_the_edge.client.get("/v1/nothing-here")
        wire.disconnect()
        await task
        await behind_the_edge.client.get("/v1/nothing-here")
        assert told(logs) == [404, 404]

    async def test_who_calls_is_whom_the_edge_has_seen(self, behind_the_edge: Place, logs: Lines) -> None:
        forged = {"X-Forwarded-For": "203.0.113.7", "Forwarded": "for=203.0.113.7", "X-Real-IP": "203.0.113.7"}
        await behind_the_edge.client.get("/v1/nothing-here", headers=forged)
        assert told(logs) == [404]
        assert {line["client"] for line in logs if line["event"] == "request"} == {"127.0.0.1"}

    def test_each_test_runs_behind_the_edge_or_says_why_not(self) -> None:
        tests = {
            name: inspect.signature(test).parameters
            for name, test in inspect.getmembers(type(self), inspect.isfunction)
            if name.startswith("test_") and test.__module__.startswith("core.testing.conformance")
        }
        elsewhere = {name for name, asks in tests.items() if not asks.keys() & _EVERYWHERE}
        assert elsewhere <= NOT_BEHIND_THE_EDGE.keys() <= tests.keys()


def _operations(place: Place) -> list[tuple[str, str]]:
    """Method and path of each operation, its ids well-formed."""
    routes = [route for route in routes_of(place) if not route.path.startswith("/v1/exits")]
    return [(method, path_of(route)) for route in routes for method in sorted(route.methods or ())]


def _refusal(response: httpx.Response) -> tuple[Any, ...]:
    """All of a refusal; what succeeds may show the time."""
    return (
        seen(response)
        if response.status_code >= 400
        else (response.status_code, *sorted(response.headers.keys() - OF_A_HOP))
    )


def _check_equal(answers: Mapping[str, object]) -> None:
    standalone, *others = answers.items()
    for topology, answer in others:
        assert answer == standalone[1], topology
