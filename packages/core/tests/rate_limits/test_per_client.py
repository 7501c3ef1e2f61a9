"""One client's share of a whole service: refused before anything else is done, and never where a probe asks."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date

import httpx
import pytest
from bare import Wire

from core.application import service as make_service
from core.lifespan import started
from core.mount import ServiceMount
from core.routing import deprecated
from core.testing import SERVICE_URL, Host, problem, running
from core.testing.open_router import OpenRouter

router = OpenRouter(prefix="/v1/things", tags=["things"])


@router.get("/one")
async def one() -> list[str]:
    return []


@router.post("/two")
async def two(names: list[str]) -> list[str]:
    return names


@router.get("/old")
@deprecated(since=date(2026, 11, 1))
async def old() -> list[str]:
    return []


@pytest.fixture
def make(settings, ports, clock) -> Callable[..., object]:
    """`make("billing", per_client="2/minute")`: a service with this limit."""

    def build(name: str = "example", *, per_client: str | None = "2/minute", **given):
        limits = {"rate_limits": {"per_client": per_client}}
        return make_service(
            name, type(settings).model_validate(settings.model_dump() | limits | given), ports, routers=[router]
        )

    return build


@pytest.fixture(params=["standalone", "mounted"])
def serving(request, make):
    """`async with serving(per_client=…) as client`."""

    @asynccontextmanager
    async def run(**given) -> AsyncIterator[httpx.AsyncClient]:
        app = make(**given)
        if request.param == "standalone":
            async with running(app) as client:
                yield client
            return
        async with running(Host(ServiceMount("example", app)), base_url=f"{SERVICE_URL}/example") as client:
            yield client

    return run


async def test_all_that_a_client_asks_is_counted_together(serving):
    async with serving() as client:
        answers = [await client.get(path) for path in ("/v1/things/one", "/v1/nothing", "/v1/things/one")]
    assert [answer.status_code for answer in answers] == [200, 404, 429]
    assert problem(answers[2]) == (429, "rate_limited")
    assert answers[2].headers["ratelimit-policy"] == '"per_client";q=2;w=60'
    assert answers[0].headers["ratelimit"].startswith('"per_client";r=1;t=')
    assert int(answers[2].headers["retry-after"]) >= 1


async def test_a_deprecated_operation_says_both(serving):
    async with serving() as client:
        headers = (await client.get("/v1/things/old")).headers
    assert (headers["ratelimit-policy"], headers["deprecation"]) == ('"per_client";q=2;w=60', "@1793491200")


async def test_unless_it_is_set_there_is_no_such_limit(serving):
    async with serving(per_client=None) as client:
        answers = [await client.get("/v1/things/one") for _ in range(20)]
    assert {answer.status_code for answer in answers} == {200}
    assert "ratelimit" not in answers[0].headers


@pytest.mark.parametrize("probe", ["/livez", "/readyz", "/startupz"])
async def test_probes_are_served_whatever_their_client_has_used(serving, probe):
    async with serving(per_client="1/minute") as client:
        answers = [await client.get(path) for path in ("/v1/things/one", "/v1/things/one", probe, probe)]
    assert [answer.status_code for answer in answers] == [200, 429, 200, 200]


async def test_it_is_refused_before_its_body_is_read(make):
    app = make(per_client="1/minute")
    headers = [(b"content-type", b"application/json"), (b"content-length", b"10")]
    async with started(app, name="example") as state:
        served = Wire(app, "POST", "/v1/things/two", state=state, headers=headers)
        served.arrive(b'["a", "b"]')
        await served.start()
        refused = Wire(app, "POST", "/v1/things/two", state=state, headers=headers)
        await refused.start()
    assert (served.status, refused.status) == (200, 429)


async def test_a_page_of_another_origin_may_read_the_refusal_and_its_preflight_costs_nothing(serving):
    origin = {"Origin": "https://app.example"}
    asked = origin | {"Access-Control-Request-Method": "GET"}
    async with serving(per_client="1/minute") as client:
        assert [(await client.options("/v1/things/one", headers=asked)).status_code for _ in range(3)] == [200] * 3
        answers = [await client.get("/v1/things/one", headers=origin) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 429]
    assert answers[1].headers["access-control-allow-origin"] == "https://app.example"


async def test_each_service_in_a_process_counts_for_itself(make):
    host = Host(*(ServiceMount(name, make(name, per_client="1/minute")) for name in ("users", "billing")))
    async with running(host) as client:
        statuses = [
            (await client.get(f"/{name}/v1/things/one")).status_code
            for name in ("users", "billing", "users", "billing")
        ]
    assert statuses == [200, 200, 429, 429]


async def test_a_storage_that_is_away_lets_everything_pass(serving):
    async with serving(rate_limits={"per_client": "1/minute", "storage": "redis://127.0.0.1:1"}) as client:
        answers = [await client.get("/v1/things/one") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3
