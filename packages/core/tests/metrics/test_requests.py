"""Every request is counted once, with labels that no client can add to, however it ends."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
from bare import WEB_ORIGIN, Wire, bare
from pydantic import BaseModel
from starlette.responses import StreamingResponse

from core.metrics import RequestMetrics
from core.metrics.requests import BUCKETS_S
from core.mount import ServiceMount
from core.testing import running
from core.testing.applications import SERVICE_URL, Host
from core.testing.open_router import OpenRouter

COUNT = "http_server_request_duration_seconds_count"
LABELS = ("http_request_method", "http_route", "http_response_status_code", "error_type")

router = OpenRouter(prefix="/v1/counted", tags=["counted"])


class Thing(BaseModel):
    """A body with one field."""

    name: str = ""


@router.get("/things/{thing_id}")
async def read_thing(thing_id: int) -> Thing:
    return Thing()


@router.post("/things")
async def make_thing(thing: Thing) -> Thing:
    return thing


@router.get("/breaks")
async def breaks() -> Thing:
    raise RuntimeError


@router.get("/slow")
async def slow() -> Thing:
    await asyncio.sleep(60)
    return Thing()


@router.get("/breaks-off")
async def breaks_off() -> StreamingResponse:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"part"
        raise RuntimeError

    return StreamingResponse(chunks())


@pytest.fixture
def app():
    return bare(router, server={"body_max_bytes": 1000})


@pytest.mark.parametrize(
    ("method", "path", "counted"),
    [
        ("GET", "/v1/counted/things/7", ("GET", "/v1/counted/things/{thing_id}", "200", "")),
        ("HEAD", "/v1/counted/things/7", ("HEAD", "/v1/counted/things/{thing_id}", "200", "")),
        ("GET", "/v1/counted/things/seven", ("GET", "/v1/counted/things/{thing_id}", "404", "")),
        ("DELETE", "/v1/counted/things/7", ("DELETE", "/v1/counted/things/{thing_id}", "405", "")),
        ("GET", "/v1/counted/breaks", ("GET", "/v1/counted/breaks", "500", "500")),
        ("GET", "/v1/counted/slow", ("GET", "/v1/counted/slow", "504", "504")),
        ("GET", "/livez", ("GET", "/livez", "200", "")),
    ],
)
async def test_a_request_is_counted_by_method_template_status_and_error(app, anywhere, scrape, method, path, counted):
    usual = app.deadlines.timeout_s
    app.deadlines.timeout_s = 0.05 if "504" in counted else usual
    await anywhere.request(method, path)
    app.deadlines.timeout_s = usual
    mount = anywhere.base_url.path.rstrip("/")
    verb, template, *rest = counted
    assert await scrape(anywhere, COUNT, *LABELS) == {(verb, f"{mount}{template}", *rest): 1}


async def test_a_body_that_is_too_large_is_counted(anywhere, scrape):
    await anywhere.post("/v1/counted/things", content=b"x" * 1001)
    assert await scrape(anywhere, COUNT, *LABELS) == {("POST", "unmatched", "413", ""): 1}


async def test_a_preflight_is_counted(anywhere, scrape):
    headers = {"Origin": WEB_ORIGIN, "Access-Control-Request-Method": "GET"}
    await anywhere.options("/v1/counted/things", headers=headers)
    assert await scrape(anywhere, COUNT, *LABELS) == {("OPTIONS", "unmatched", "200", ""): 1}


async def test_a_response_that_breaks_off_is_an_error(app, scrape):
    async with running(app) as client:
        wire = Wire(app, "GET", "/v1/counted/breaks-off")
        wire.arrive()
        await wire.start()
        assert not wire.is_whole
        assert await scrape(client, COUNT, *LABELS) == {("GET", "/v1/counted/breaks-off", "200", "_OTHER"): 1}


async def test_a_request_that_ends_without_a_response_is_an_error_without_a_status(app, scrape):
    async with running(app) as client:
        wire = Wire(app, "GET", "/v1/counted/slow")
        wire.arrive()
        task = wire.start()
        await asyncio.sleep(0.05)
        assert await scrape(client, "http_server_active_requests") == {(): 2}
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await scrape(client, "http_server_active_requests") == {(): 1}
        counts = await scrape(client, COUNT, *LABELS)
    assert counts["GET", "/v1/counted/slow", "", "CancelledError"] == 1


async def test_no_client_can_add_a_label(anywhere, scrape):
    chance = random.Random(7)  # noqa: S311 - any will do
    letters = "abcdefghijklmnopqrstuvwxyz"

    def word() -> str:
        return "".join(chance.choices(letters, k=6))

    for _ in range(1000):
        path = chance.choice(["/v1/counted/things/{}", "/{}", "/v1/{}/things", "/problems/{}", "/docs-assets/{}"])
        method = chance.choice(["GET", "POST", "DELETE", word().upper(), word()])
        await anywhere.request(method, path.format(word()))
    counts = await scrape(anywhere, COUNT, *LABELS)
    assert sum(counts.values()) == 1000
    assert {method for method, *_ in counts} == {"GET", "POST", "DELETE", "_OTHER"}
    assert len({route for _, route, *_ in counts}) <= 4
    assert len(counts) <= 4 * 4 * 4


async def test_two_applications_in_one_process_share_nothing(scrape):
    billing, users = bare(router, name="billing"), bare(name="users")
    mounts = ServiceMount("billing", billing), ServiceMount("users", users)
    async with running(Host(*mounts), base_url=SERVICE_URL) as client:
        await client.get("/billing/v1/counted/things/1")
        client.base_url = f"{SERVICE_URL}/users"
        assert await scrape(client, COUNT, *LABELS) == {}
        client.base_url = f"{SERVICE_URL}/billing"
        route = "/billing/v1/counted/things/{thing_id}"
        assert await scrape(client, COUNT, *LABELS) == {("GET", route, "200", ""): 1}


async def test_metrics_are_no_operation_and_ask_nobody_who_they_are(anywhere):
    document = (await anywhere.get("/openapi.json")).json()
    assert "/metrics" not in document["paths"]
    response = await anywhere.get("/metrics")
    assert (response.status_code, response.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert (await anywhere.head("/metrics")).status_code == 200


async def test_a_busy_service_still_tells_how_busy_it_is(scrape):
    app = bare(router, server={"concurrency_max": 1, "trusted_hosts": ["service.test"]})
    async with running(app) as client:
        wire = Wire(app, "GET", "/v1/counted/slow")
        wire.arrive()
        task = wire.start()
        await asyncio.sleep(0.01)
        assert (await client.get("/v1/counted/things/1")).status_code == 503
        # By its address, as a scraper asks.
        assert (await client.get("/metrics", headers={"Host": "192.0.2.7"})).status_code == 200
        task.cancel()
        await asyncio.wait([task])


def durations(metrics):
    (duration, _active) = metrics.collect()
    return {sample.labels.get("le", sample.name): sample.value for sample in duration.samples}


def test_a_duration_falls_into_the_buckets_that_are_no_shorter():
    metrics = RequestMetrics()
    for seconds in (0.001, 0.005, 0.0051, 9.9, 10, 10.1, 60):
        metrics.ended(method="GET", route="/v1", status=200, error=None, seconds=seconds)
    counts = durations(metrics)
    assert (counts["0.005"], counts["0.01"], counts["7.5"], counts["10.0"], counts["+Inf"]) == (2, 3, 3, 5, 7)
    assert counts["http_server_request_duration_seconds_count"] == 7
    assert counts["http_server_request_duration_seconds_sum"] == pytest.approx(90.0111)
    # OpenTelemetry, semantic conventions for HTTP metrics.
    assert BUCKETS_S == (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)


def test_one_status_is_one_series_whatever_else_is_known_of_it():
    metrics = RequestMetrics()
    for error in (None, "_OTHER", "CancelledError"):
        metrics.ended(method="GET", route="/v1", status=500, error=error, seconds=1)
    assert durations(metrics)["http_server_request_duration_seconds_count"] == 3
