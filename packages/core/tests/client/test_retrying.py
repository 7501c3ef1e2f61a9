"""What is tried again, how often, and after how long."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from core.client import Retrying


class Upstream(httpx.AsyncBaseTransport):
    """Answers with what it was given, in order; an exception is raised, a number of seconds is taken."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []
        self.given = []
        self.closed = False

    async def handle_async_request(self, request):
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, float):
            await asyncio.sleep(answer)
            return httpx.Response(200)
        status, headers = answer if isinstance(answer, tuple) else (answer, {})
        self.given.append(httpx.Response(status, headers=headers, stream=Stream()))
        return self.given[-1]

    async def aclose(self):
        self.closed = True


class Stream(httpx.AsyncByteStream):
    async def __aiter__(self):
        yield b"body"


class Pauses(list):
    """Stands for asyncio.sleep and takes no time."""

    async def __call__(self, seconds):
        self.append(seconds)


async def call(upstream, method="GET", *, pauses=None, timeout_s=10.0, attempt_timeout_s=3.0, retries_max=2, **request):
    retrying = Retrying(
        upstream,
        timeout_s=timeout_s,
        attempt_timeout_s=attempt_timeout_s,
        retries_max=retries_max,
        sleep=Pauses() if pauses is None else pauses,
    )
    return await retrying.handle_async_request(httpx.Request(method, "http://users/", **request))


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("failure", [502, 503, 504, httpx.ConnectError("no"), httpx.ReadTimeout("late")])
async def test_a_safe_request_is_tried_again(method, failure):
    upstream = Upstream(failure, failure, 200)
    assert (await call(upstream, method)).status_code == 200
    assert len(upstream.requests) == 3


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("failure", [503, httpx.ReadTimeout("late")])
async def test_a_write_is_tried_once(method, failure):
    upstream = Upstream(failure, 200)
    with suppress(httpx.ReadTimeout):
        assert (await call(upstream, method, content=b"x")).status_code == 503
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("failure", [503, httpx.ReadTimeout("late")])
async def test_a_write_with_an_idempotency_key_is_tried_again_with_the_same_body(failure):
    upstream = Upstream(failure, 201)
    await call(upstream, "POST", content=b"x", headers={"Idempotency-Key": "k1"})
    assert [(each.content, each.headers["Idempotency-Key"]) for each in upstream.requests] == [(b"x", "k1")] * 2


async def test_a_body_that_can_be_read_only_once_is_sent_once():
    async def pieces():
        yield b"x"

    upstream = Upstream(503, 201)
    response = await call(upstream, "POST", content=pieces(), headers={"Idempotency-Key": "k1"})
    assert (response.status_code, len(upstream.requests)) == (503, 1)


@pytest.mark.parametrize("status", [200, 304, 400, 401, 404, 409, 422, 429, 500])
async def test_any_other_answer_is_final(status):
    upstream = Upstream(status, 200)
    assert (await call(upstream)).status_code == status


@pytest.mark.parametrize("retries_max", [0, 1, 2])
async def test_the_last_answer_is_given_when_the_retries_are_used_up(retries_max):
    upstream = Upstream(502, 503, 504)
    response = await call(upstream, retries_max=retries_max)
    assert response.status_code == [502, 503, 504][retries_max]
    assert len(upstream.requests) == retries_max + 1


async def test_the_last_error_is_raised_when_the_retries_are_used_up():
    upstream = Upstream(*[httpx.ConnectError(f"attempt {number}") for number in range(3)])
    with pytest.raises(httpx.ConnectError, match="attempt 2"):
        await call(upstream)


@pytest.mark.parametrize("failure", [httpx.UnsupportedProtocol("gopher"), httpx.LocalProtocolError("bad header")])
async def test_a_request_that_is_wrong_itself_is_not_repeated(failure):
    upstream = Upstream(failure, 200)
    with pytest.raises(type(failure)):
        await call(upstream)
    assert len(upstream.requests) == 1


async def test_answers_that_are_not_given_to_the_caller_are_closed():
    upstream = Upstream(503, 503, 200)
    await call(upstream)
    assert [response.is_closed for response in upstream.given] == [True, True, False]


async def test_the_pause_is_anything_up_to_a_bound_that_doubles():
    pauses = Pauses()
    for _ in range(200):
        await call(Upstream(503, 503, 200), pauses=pauses)
    first, second = pauses[::2], pauses[1::2]
    assert max(first) <= 0.1 < max(second) <= 0.2
    assert min(first) < 0.02
    assert min(second) < 0.04


async def test_the_bound_of_the_pause_stops_doubling():
    pauses = Pauses()
    for _ in range(20):
        await call(Upstream(*[503] * 12, 200), pauses=pauses, retries_max=12, timeout_s=60)
    assert 1 < max(pauses) <= 2


@pytest.mark.parametrize(("status", "tried"), [(429, 2), (503, 2), (409, 2), (404, 1)])
async def test_retry_after_in_seconds_is_honoured_and_not_all_at_once(status, tried):
    pauses = Pauses()
    upstream = Upstream((status, {"Retry-After": "3"}), 200)
    await call(upstream, pauses=pauses)
    assert len(upstream.requests) == tried
    assert all(3 <= pause <= 3.1 for pause in pauses)


async def test_retry_after_as_a_date_is_honoured():
    pauses = Pauses()
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=300), usegmt=True)
    await call(Upstream((503, {"Retry-After": date}), 200), pauses=pauses, timeout_s=600)
    assert 200 <= pauses[0] <= 300.1


@pytest.mark.parametrize(
    "value", ["Sun, 06 Nov 1994 08:49:37 GMT", "0", "soon", "-3", "1.5", "Sun, 06 Nov 1994 08:49:37 -0000"]
)
async def test_a_retry_after_that_asks_for_nothing_is_a_usual_pause(value):
    pauses = Pauses()
    await call(Upstream((503, {"Retry-After": value}), 200), pauses=pauses)
    assert 0 <= pauses[0] <= 0.1


async def test_a_claim_in_flight_is_waited_for_when_the_answer_says_how_long():
    upstream = Upstream(httpx.ReadTimeout("late"), (409, {"Retry-After": "1"}), 201)
    response = await call(upstream, "POST", content=b"x", headers={"Idempotency-Key": "k1"})
    assert response.status_code == 201


@pytest.mark.parametrize("value", ["11", "9" * 400])
async def test_an_answer_is_better_than_a_retry_that_would_come_too_late(value):
    upstream = Upstream((503, {"Retry-After": value}), 200)
    response = await call(upstream, timeout_s=10)
    assert (response.status_code, len(upstream.requests)) == (503, 1)


async def test_no_retry_begins_after_the_time_of_the_call():
    upstream = Upstream(httpx.ConnectError("no"), 200)
    with pytest.raises(httpx.ConnectError):
        await call(upstream, timeout_s=0)
    assert len(upstream.requests) == 1


async def test_an_attempt_that_takes_too_long_is_given_up_and_repeated():
    upstream = Upstream(5.0, 200)
    assert (await call(upstream, attempt_timeout_s=0.05)).status_code == 200
    assert len(upstream.requests) == 2


async def test_a_write_that_takes_too_long_is_a_timeout_for_its_caller():
    with pytest.raises(httpx.ReadTimeout):
        await call(Upstream(5.0), "POST", attempt_timeout_s=0.05)


@pytest.mark.parametrize("closes", [True, False])
async def test_a_transport_is_closed_by_its_owner_only(closes):
    upstream = Upstream()
    await Retrying(upstream, timeout_s=1, attempt_timeout_s=1, retries_max=0, closes=closes).aclose()
    assert upstream.closed is closes
