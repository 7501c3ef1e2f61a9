"""A service whose answers are not what its document says is found out; one whose answers are, is not."""

import asyncio
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from bare import bare
from fastapi import Response
from pydantic import BaseModel, Field, StrictInt

from core.dependencies import IfMatch
from core.errors import Invalid
from core.mount import ServiceMount
from core.testing import SERVICE_URL, Host, fuzzing
from core.testing.fuzzing import EXAMPLES_MAX, Fuzzing, fuzz, fuzzing_of
from core.testing.open_router import OpenRouter
from core.web.openapi import openapi_of


class Cup(BaseModel, extra="forbid"):
    """What is drunk from."""

    size: Annotated[StrictInt, Field(ge=1, le=9)]


class FullCup(Invalid):
    """The cup is full."""

    code = "full_cup"


async def honest(cup: Cup) -> Cup:
    if cup.size == 9:
        raise FullCup
    return cup


async def breaks(cup: Cup) -> Cup:
    return Cup(size=1 // (cup.size - 5))


async def lies(cup: Cup) -> Response:
    return Response('{"size": "large"}', media_type="application/json")


async def speaks_otherwise(cup: Cup) -> Response:
    return Response("a cup", media_type="text/plain")


async def is_stricter_than_it_says(cup: Cup) -> Cup:
    if cup.size > 8:
        raise Invalid
    return cup


async def sent(handler, *, mounted=False, add=None):
    router = OpenRouter(prefix="/v1/cups", tags=["cups"])
    router.post("", response_model=Cup)(handler)
    app = bare(router)
    document = openapi_of(app)
    for change in add or ():
        change(app, document)
    served, url = (Host(ServiceMount("example", app)), f"{SERVICE_URL}/example") if mounted else (app, SERVICE_URL)
    return await asyncio.to_thread(fuzz, served, document, base_url=url, token=lambda: "token", fuzzing=Fuzzing(3))


@pytest.mark.parametrize("mounted", [False, True])
async def test_honest_answers_are_no_failures(mounted):
    found = await sent(honest, mounted=mounted)
    assert found.failures == ()
    assert found.requests > 20


@pytest.mark.parametrize(
    ("handler", "check"),
    [
        (breaks, "not_a_server_error"),
        (lies, "response_schema_conformance"),
        (speaks_otherwise, "content_type_conformance"),
        (is_stricter_than_it_says, "positive_data_acceptance"),
    ],
)
async def test_a_dishonest_answer_is_found(handler, check, logs):
    found = await sent(handler)
    assert [failure for failure in found.failures if failure.startswith(f"POST /v1/cups: {check}: ")]
    assert all("curl" in failure for failure in found.failures)


def a_looser_document(_app, document):
    document["components"]["schemas"]["Cup"]["additionalProperties"] = False
    document["components"]["schemas"]["Cup"]["properties"]["size"]["maximum"] = 5


async def test_what_the_document_forbids_must_be_refused():
    found = await sent(honest, add=[a_looser_document])
    assert any("negative_data_rejection" in failure for failure in found.failures)


def a_missing_header(_app, document):
    document["components"]["responses"]["Invalid"]["headers"]["Retry-After"] = {
        "required": True,
        "schema": {"type": "integer"},
    }


async def test_a_header_that_the_document_promises_must_be_there():
    found = await sent(honest, add=[a_missing_header])
    assert any("response_headers_conformance" in failure for failure in found.failures)


def a_lock_that_nobody_checks(_app, document):
    document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    document["paths"]["/v1/cups"]["post"]["security"] = [{"token": []}]


async def test_a_token_that_the_document_asks_for_must_be_asked_for():
    found = await sent(honest, add=[a_lock_that_nobody_checks])
    assert any("ignored_auth" in failure for failure in found.failures)


def an_unreadable_pattern(_app, document):
    document["components"]["schemas"]["Cup"]["properties"]["name"] = {"type": "string", "pattern": r"^\p{Cc}$"}


async def test_what_cannot_be_generated_is_a_failure():
    found = await sent(honest, add=[an_unreadable_pattern])
    assert any("UnsupportedRegexPattern" in failure for failure in found.failures)


def a_condition_that_nobody_asks_for(_app, document):
    asked = {"name": "If-Match", "in": "header", "required": True, "schema": {"type": "string"}}
    document["paths"]["/v1/cups"]["post"]["parameters"] = [asked]


async def test_a_condition_that_the_document_asks_for_must_be_asked_for():
    found = await sent(honest, add=[a_condition_that_nobody_asks_for])
    assert any("missing_required_header" in failure for failure in found.failures)


async def is_conditional(cup: Cup, if_match: IfMatch) -> Cup:
    if_match.check(1)
    return cup


async def test_a_change_may_ask_for_its_condition():
    assert (await sent(is_conditional)).failures == ()


async def test_a_path_that_is_another_ones_template_has_the_methods_of_both():
    router = OpenRouter(prefix="/v1/cups", tags=["cups"])

    @router.post("/wash", status_code=204)
    async def wash() -> None: ...

    @router.delete("/{cup}", status_code=204)
    async def drop(cup: str) -> None: ...

    app = bare(router)
    found = await asyncio.to_thread(fuzz, app, openapi_of(app), base_url=SERVICE_URL, token=lambda: "token")
    assert found.failures == ()


@pytest.mark.parametrize(
    ("code", "errors", "meant"),
    [
        ("validation_failed", ["int_type"], True),
        ("validation_failed", ["less_than_equal"], False),
        ("malformed_json", [], False),
        ("weak_password", [], True),
    ],
)
def test_a_whole_number_with_a_point_and_a_rule_of_the_business_may_be_refused(code, errors, meant):
    answer = SimpleNamespace(json=lambda: {"code": code, "errors": [{"code": each} for each in errors]})
    assert fuzzing._is_meant("positive_data_acceptance", SERVICE_URL, answer, []) is meant


def test_a_refusal_of_another_shape_is_the_business_own():
    of_oauth = SimpleNamespace(json=lambda: {"error": "invalid_client"})
    assert fuzzing._is_meant("positive_data_acceptance", SERVICE_URL, of_oauth, [])


@pytest.mark.parametrize(("status", "meant"), [(428, True), (404, True), (200, False), (500, False)])
def test_a_request_without_its_condition_is_refused_for_that_or_because_there_is_nothing(status, meant):
    answer = SimpleNamespace(status_code=status)
    assert fuzzing._is_meant("missing_required_header", SERVICE_URL, answer, []) is meant


def told(**options) -> Any:
    """What a run was told."""
    return SimpleNamespace(getoption=options.__getitem__)


@pytest.mark.parametrize(
    ("examples", "seed", "fuzzing"),
    [(None, None, Fuzzing()), (None, 7, Fuzzing(EXAMPLES_MAX, 7)), (500, 7, Fuzzing(500, 7))],
)
def test_a_run_says_how_much_is_sent(examples, seed, fuzzing):
    assert fuzzing_of(told(fuzz_examples=examples, fuzz_seed=seed)) == fuzzing


def test_a_longer_run_has_a_seed_of_its_own():
    options = told(fuzz_examples=500, fuzz_seed=None)
    assert len({fuzzing_of(options).seed for _ in range(3)}) == 3
