"""Each way out of a service, taken through the edge of the stack: the shipped images, with operations that fail."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from stack import Stack

from core.testing.at_work import AtWork
from core.testing.conformance.differences import AT_THE_EDGE, NO_HTTP
from core.testing.conformance.requests import REQUESTS
from core.testing.exits import AFTERWARDS, CUT_SHORT, EXITS, Exit
from core.testing.exits.layer import CANARY
from core.testing.locally import WEB_ORIGIN
from core.testing.problems import problem
from core.testing.socket_wire import OverSockets

ASKED = "asked-1"
HEADERS = {"Origin": WEB_ORIGIN, "X-Request-ID": ASKED}
# By its name, why it is not taken here.
NOT_HERE = {
    "a failed commit": "it makes a table, which the role of a deployed service may not",
    "a refusal that keeps changes": "it makes a table, which the role of a deployed service may not",
    "no connection left": "it waits for each connection of a pool that is larger here",
}
# Pages to read are for a laptop.
NOT_SERVED = {"/docs": 404}


@pytest.fixture(scope="module")
def failing(stack: Stack) -> Iterator[Stack]:
    """The stack, with services that have these operations; then again without."""
    laid_over = replace(stack, files=(*stack.files, str(Path(__file__).parent / "exits.yaml")))
    with stack.told_on_failure():
        laid_over.up()
    yield laid_over
    stack.up()


@pytest.fixture
async def client(failing: Stack, service: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service, which sends what it is told to, well-formed or not."""

    async def nobody(*_: object) -> None:
        """What no request of this process ever reaches."""

    base_url = f"{failing.url}/{service}"
    async with httpx.AsyncClient(transport=OverSockets(AtWork(nobody)), base_url=base_url) as client:
        yield client


@pytest.mark.parametrize("name", [name for name in EXITS if name not in NOT_HERE])
async def test_every_exit_is_one_problem_with_one_id(client: httpx.AsyncClient, name: str):
    exit_ = EXITS[name]
    response = await exit_.take(client, **HEADERS)
    if name in NO_HTTP:
        assert response.status_code == NO_HTTP[name]
        return
    assert problem(response) == AT_THE_EDGE.get(name, (exit_.status, exit_.code))
    assert response.headers.get_list("x-request-id") == [ASKED]
    assert response.headers["x-content-type-options"] == "nosniff"
    assert CANARY not in response.text
    if name not in AT_THE_EDGE:
        assert response.headers["access-control-allow-origin"] == WEB_ORIGIN
        assert exit_.tells.items() <= dict(response.headers).items()


@pytest.mark.parametrize("exit_", AFTERWARDS.values(), ids=AFTERWARDS)
async def test_a_failure_after_the_answer_does_not_change_it(client: httpx.AsyncClient, exit_: Exit):
    response = await exit_.take(client, **HEADERS)
    assert (response.status_code, response.text) in [(200, '{"name":"sent"}'), (200, "whole")]


@pytest.mark.parametrize("exit_", CUT_SHORT.values(), ids=CUT_SHORT)
async def test_a_response_that_breaks_off_stays_cut_short(client: httpx.AsyncClient, exit_: Exit):
    with pytest.raises(httpx.RemoteProtocolError, match="without a whole response"):
        await exit_.take(client, **HEADERS)


@pytest.mark.parametrize("asked", REQUESTS.values(), ids=REQUESTS)
async def test_a_request_that_a_proxy_could_bend_means_the_same(client: httpx.AsyncClient, asked: Exit):
    response = await asked.take(client, **{**HEADERS, **asked.headers})
    assert response.status_code == NOT_SERVED.get(asked.path, asked.status)
    assert response.headers.get_list("x-request-id") == [ASKED]
