"""Operations that may be used so often: counted apart, by address or by caller, and told on every answer."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
from example.settings import Settings
from fastapi import Depends
from starlette.responses import Response

from core.application import service as make_service
from core.dependencies import ResourcesDep, idempotent, limited
from core.errors import NotFound
from core.ids import format_id, new_id
from core.mount import ServiceMount
from core.testing import SERVICE_URL, Host, problem, running
from core.testing.open_router import OpenRouter
from core.web.openapi import openapi_of

ATTEMPTS = "2/minute"

things = OpenRouter(prefix="/v1/things", tags=["things"])
crowded = OpenRouter(prefix="/v1/crowded", tags=["crowded"], dependencies=[Depends(limited("1/minute"))])


@things.get("", dependencies=[Depends(limited("2/minute"))])
async def list_things() -> list[str]:
    return []


@things.get("/missing", dependencies=[Depends(limited("2/minute"))])
async def missing_thing() -> list[str]:
    raise NotFound


@things.get("/raw", dependencies=[Depends(limited("2/minute"))])
async def raw_thing() -> Response:
    return Response(b"raw")


@things.get("/open")
async def open_thing() -> list[str]:
    return []


@things.post("", dependencies=[Depends(limited("2/minute", by="caller"))])
@idempotent
async def make_thing() -> list[str]:
    return ["made"]


@things.get("/both", dependencies=[Depends(limited("5/second")), Depends(limited("2/minute", by="caller"))])
async def limited_twice() -> list[str]:
    return []


@things.get("/attempts/{account}")
async def attempt(account: str, resources: ResourcesDep) -> list[str]:
    await resources.rate_limits.hit("attempt", account, ATTEMPTS)
    return []


@crowded.get("/one")
async def one() -> list[str]:
    return []


@crowded.get("/two")
async def two() -> list[str]:
    return []


by_choice = OpenRouter(prefix="/v1/chosen", tags=["chosen"])


@by_choice.get("", dependencies=[Depends(limited(lambda settings: settings.limits.make))])
async def list_chosen() -> list[str]:
    return []


@by_choice.get("/attempts/{account}")
async def attempt_chosen(account: str, resources: ResourcesDep) -> list[str]:
    await resources.rate_limits.hit("attempt", account, resources.settings_as(Settings).limits.make)
    return []


Served = Callable[..., httpx.AsyncClient]


@pytest.fixture(params=["standalone", "mounted"])
def serving(request, settings, ports, clock):
    """`async with serving(server={…}) as client`: the operations above, with these settings over those of a test."""

    @asynccontextmanager
    async def run(**given) -> AsyncIterator[httpx.AsyncClient]:
        chosen = type(settings).model_validate(settings.model_dump() | given)
        app = make_service("example", chosen, ports, routers=[things, crowded, by_choice])
        if request.param == "standalone":
            async with running(app) as client:
                yield client
            return
        async with running(Host(ServiceMount("example", app)), base_url=f"{SERVICE_URL}/example") as client:
            yield client

    return run


@pytest.fixture
def subjects() -> tuple[str, str]:
    """Two users."""
    return format_id("usr", new_id()), format_id("usr", new_id())


async def test_what_is_left_is_told_with_every_answer_and_the_next_one_is_refused(serving):
    async with serving() as client:
        answers = [await client.get("/v1/things") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["ratelimit-policy"] for answer in answers] == ['"things_list_things/client";q=2;w=60'] * 3
    left = [answer.headers["ratelimit"].rpartition(";t=")[0] for answer in answers]
    assert left == [f'"things_list_things/client";r={count}' for count in (1, 0, 0)]
    assert problem(answers[2]) == (429, "rate_limited")
    retry_after_s = int(answers[2].headers["retry-after"])
    assert answers[2].headers["ratelimit"].endswith(f";t={retry_after_s}")
    assert 1 <= retry_after_s <= 61


@pytest.mark.parametrize(("path", "status"), [("/v1/things/missing", 404), ("/v1/things/raw", 200)])
async def test_it_is_told_with_refusals_and_with_responses_of_their_own(serving, path, status):
    async with serving() as client:
        answers = [await client.get(path) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [status, status, 429]
    assert all("ratelimit" in answer.headers for answer in answers)


async def test_an_operation_without_a_limit_tells_of_none(serving):
    async with serving() as client:
        answer = await client.get("/v1/things/open")
    assert [name for name in answer.headers if name.startswith(("ratelimit", "retry-after"))] == []


async def test_the_limit_of_a_router_holds_for_each_of_its_operations_apart(serving):
    async with serving() as client:
        statuses = [(await client.get(f"/v1/crowded/{name}")).status_code for name in ("one", "two", "one", "two")]
    assert statuses == [200, 200, 429, 429]


async def test_head_counts_as_the_get_that_it_is(serving):
    async with serving() as client:
        assert (await client.head("/v1/crowded/one")).status_code == 200
        assert (await client.get("/v1/crowded/one")).status_code == 429


async def test_of_parallel_requests_no_more_pass_than_may(serving):
    async with serving() as client:
        answers = await asyncio.gather(*(client.get("/v1/things") for _ in range(30)))
    assert sorted(answer.status_code for answer in answers) == [200] * 2 + [429] * 28


async def test_clients_are_told_apart_by_the_address_that_a_trusted_proxy_saw(serving):
    async with serving(server={"trusted_proxies": ("127.0.0.0/8",)}) as client:

        async def ask(address: str) -> int:
            return (await client.get("/v1/crowded/one", headers={"X-Forwarded-For": address})).status_code

        addresses = ("192.0.2.1", "192.0.2.2", "192.0.2.1", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::2")
        assert [await ask(address) for address in addresses] == [200, 200, 429, 200, 429, 200]


async def test_nobody_becomes_another_client_by_saying_so(serving):
    async with serving() as client:
        statuses = [
            (await client.get("/v1/crowded/one", headers={"X-Forwarded-For": f"192.0.2.{number}"})).status_code
            for number in range(2)
        ]
    assert statuses == [200, 429]


async def test_callers_are_told_apart_by_their_tokens_whatever_their_address(serving, signed_in, subjects):
    one, other = subjects
    async with serving() as client:

        async def make(subject: str, key: str) -> int:
            headers = signed_in(subject=subject) | {"Idempotency-Key": key}
            return (await client.post("/v1/things", headers=headers)).status_code

        statuses = [await make(one, str(number)) for number in range(3)]
        assert (statuses, await make(other, "1")) == ([200, 200, 429], 200)


async def test_a_refusal_is_not_what_an_idempotency_key_stands_for(serving, signed_in, subjects, clock):
    async with serving() as client:

        async def make(key: str) -> int:
            headers = signed_in(subject=subjects[0]) | {"Idempotency-Key": key}
            return (await client.post("/v1/things", headers=headers)).status_code

        assert [await make(key) for key in ("1", "2", "3")] == [200, 200, 429]
        clock.now += 120
        assert await make("3") == 200


async def test_who_has_no_token_is_not_counted_but_told_to_sign_in(serving):
    async with serving() as client:
        answers = [await client.post("/v1/things", headers={"Idempotency-Key": "1"}) for _ in range(3)]
    assert [problem(answer) for answer in answers] == [(401, "unauthenticated")] * 3


async def test_two_limits_of_one_operation_are_both_counted_and_told(serving, signed_in, subjects):
    async with serving() as client:
        answers = [await client.get("/v1/things/both", headers=signed_in(subject=subjects[0])) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    policies = answers[0].headers.get_list("ratelimit-policy")
    assert policies == ['"things_limited_twice/client";q=5;w=1', '"things_limited_twice/caller";q=2;w=60']


async def test_a_service_counts_by_a_key_of_its_own(serving):
    async with serving() as client:
        answers = [await client.get("/v1/things/attempts/a") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert int(answers[2].headers["retry-after"]) >= 1
        assert (await client.get("/v1/things/attempts/b")).status_code == 200


async def test_a_storage_that_is_away_lets_requests_pass_and_is_counted(serving):
    async with serving(rate_limits={"storage": "redis://127.0.0.1:1"}) as client:
        answers = [await client.get("/v1/crowded/one") for _ in range(3)]
        metrics = (await client.get("/metrics")).text
    assert [answer.status_code for answer in answers] == [200] * 3
    assert "ratelimit" not in answers[0].headers
    assert "rate_limits_uncounted_total 3.0" in metrics


async def test_a_page_of_another_origin_may_read_what_is_left(serving):
    async with serving() as client:
        answer = await client.get("/v1/things", headers={"Origin": "https://app.example"})
    exposed = answer.headers["access-control-expose-headers"].split(", ")
    assert {"RateLimit", "RateLimit-Policy", "Retry-After"} <= set(exposed)


async def test_the_document_tells_of_the_limit_by_reference(settings, ports):
    app = make_service("example", settings, ports, routers=[things])
    document = openapi_of(app)
    responses = document["paths"]["/v1/things"]["get"]["responses"]
    assert responses["429"] == {"$ref": "#/components/responses/RateLimited"}
    assert {"RateLimit", "RateLimit-Policy"} <= responses["200"]["headers"].keys()
    assert {"RateLimit", "RateLimit-Policy", "Retry-After"} <= document["components"]["responses"]["RateLimited"][
        "headers"
    ].keys()
    assert "429" not in document["paths"]["/v1/things/open"]["get"]["responses"]


def test_what_is_no_rate_is_refused_where_it_is_written():
    with pytest.raises(ValueError, match="it is not a rate such as"):
        limited("often")


@pytest.mark.parametrize("path", ["/v1/chosen", "/v1/chosen/attempts/ada@example.com"])
async def test_a_limit_of_the_settings_is_the_one_that_the_operator_chose(serving, path):
    async with serving(limits={"make": "1/hour"}) as client:
        statuses = [(await client.get(path)).status_code for _ in range(2)]
    async with serving(limits={"make": "3/minute"}) as client:
        more = [(await client.get(path)).status_code for _ in range(4)]
    assert (statuses, more) == ([200, 429], [200, 200, 200, 429])


async def test_a_limit_of_the_settings_is_told_like_any_other(serving):
    async with serving(limits={"make": "150/5 minutes"}) as client:
        answer = await client.get("/v1/chosen")
    assert answer.headers["ratelimit-policy"] == '"chosen_list_chosen/client";q=150;w=300'
    assert answer.headers["ratelimit"].startswith('"chosen_list_chosen/client";r=149;t=')


@pytest.mark.parametrize("path", ["/v1/chosen", "/v1/chosen/attempts/ada@example.com"])
async def test_where_the_operator_chose_none_nothing_is_counted_or_told(serving, path):
    async with serving(limits={"make": "off"}) as client:
        answers = [await client.get(path) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 5
    assert "ratelimit" not in answers[0].headers


@pytest.mark.parametrize("make", ["1/minute", "off"])
async def test_the_document_tells_of_a_limit_whatever_an_operator_chose(settings, ports, make):
    given = type(settings).model_validate(settings.model_dump() | {"limits": {"make": make}})
    document = openapi_of(make_service("example", given, ports, routers=[by_choice]))
    assert "429" in document["paths"]["/v1/chosen"]["get"]["responses"]


@pytest.mark.parametrize(
    ("limit", "error", "said"),
    [
        (lambda settings: settings.limits.mkae, AttributeError, "mkae"),
        (lambda settings: settings.environment, ValueError, "it is not a rate such as"),
    ],
)
async def test_what_the_settings_do_not_have_stops_the_boot(settings, ports, limit, error, said):
    async def nested(_limit: None = Depends(limited(limit))) -> None: ...

    router = OpenRouter(prefix="/v1/wrong", tags=["wrong"])

    @router.get("", dependencies=[Depends(nested)])
    async def list_wrong() -> list[str]:
        return []

    with pytest.raises(error, match=said):
        make_service("example", settings, ports, routers=[router])
