"""The document says what an operation asks for and how it answers, each thing once, the same in every process."""

import json
import os
import re
import subprocess
import sys
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

import pytest
from bare import bare
from fastapi import Depends, Header, Query, Request
from pydantic import BaseModel, Field

from core.cli.openapi import document_of
from core.dependencies.identity import requires, scopes_of
from core.errors import Conflict, RateLimited
from core.testing.open_router import OpenRouter
from core.web.body_limits import body_max
from core.web.openapi import documented, openapi_of, rendered
from core.web.openapi.components import HEADERS
from core.web.problems import MEDIA_TYPE

router = OpenRouter(prefix="/v1/orders", tags=["orders"])


class Line(BaseModel):
    """A part of an order."""

    pieces: Annotated[float, Field(le=100, multiple_of=0.5)]
    title: str


class Order(BaseModel):
    """A body and an answer."""

    amount: Annotated[int, Field(ge=0, le=2**53 - 1)]
    lines: list[Line] = []
    notes: dict[Annotated[str, Field(pattern="^n_")], str] = {}
    place: Annotated[str | None, Field(title="Where it goes")] = None


class OrderExists(Conflict):
    """There is this order."""

    code = "order_exists"


@documented(RateLimited, HTTPStatus.NOT_MODIFIED, headers=["RateLimit", "ETag"], required=["X-Region"])
async def _limited(x_region: Annotated[str | None, Header(description="Where.")] = None) -> None: ...


async def _deep(_limited: Annotated[None, Depends(_limited)]) -> None: ...


@router.post("", status_code=201, dependencies=[Depends(_deep), Depends(requires("orders:write"))])
@documented(OrderExists)
async def place_order(order: Order) -> Order:
    return order


@router.get("")
async def list_orders(
    since: Annotated[int | None, Query(ge=0)] = None,
    kind: int | str | None = None,
    before: Annotated[str, Query(alias="placed_at[lt]")] = "",
) -> list[Order]:
    return []


@router.get("/{order_id}")
async def read_order(order_id: str, since: Annotated[str, Query(max_length=9)] = "") -> Order:
    return Order(amount=1)


@router.delete("/{order_id}", status_code=204)
async def cancel_order(order_id: str, since: Annotated[int | None, Query(ge=0)] = None) -> None: ...


@router.put("/{order_id}/scan", status_code=204)
@body_max(300)
async def scan_order(order_id: str, request: Request) -> None: ...


@pytest.fixture
def app():
    return bare(router)


@pytest.fixture
def document(app):
    return openapi_of(app)


def operations(document):
    return {operation["operationId"]: operation for item in document["paths"].values() for operation in item.values()}


def test_every_operation_has_an_id_of_its_tag_and_handler(document):
    assert list(operations(document)) == [
        "orders_place_order",
        "orders_list_orders",
        "orders_read_order",
        "orders_cancel_order",
        "orders_scan_order",
    ]


def test_an_operation_documents_the_refusals_that_its_shape_allows(document):
    statuses = {name: list(each["responses"]) for name, each in operations(document).items()}
    assert statuses == {
        "orders_place_order": ["201", "304", "400", "401", "403", "409", "413", "415", "422", "429", "default"],
        "orders_list_orders": ["200", "422", "default"],
        "orders_read_order": ["200", "404", "422", "default"],
        "orders_cancel_order": ["204", "404", "422", "default"],
        "orders_scan_order": ["204", "404", "413", "default"],
    }


def test_refusals_are_documented_by_reference(document):
    responses = operations(document)["orders_place_order"]["responses"]
    names = {status: response["$ref"] for status, response in responses.items() if "$ref" in response}
    assert names.keys() == responses.keys() - {"201"}
    assert names["409"] == "#/components/responses/Conflict"
    assert names["default"] == "#/components/responses/Problem"
    limited = document["components"]["responses"]["RateLimited"]
    assert limited["content"] == {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    assert limited["headers"].keys() >= {"Retry-After", "X-Request-ID"}
    assert limited["description"] == "Too many requests."


def test_a_status_without_a_body_has_none(document):
    unchanged = document["components"]["responses"]["NotModified"]
    assert unchanged.keys() == {"description", "headers"}
    assert unchanged["headers"].keys() >= {"ETag", "X-Request-ID"}


def test_what_a_dependency_adds_reaches_every_operation_above_it(document):
    placed = operations(document)["orders_place_order"]
    assert placed["responses"]["201"]["headers"].keys() == {"ETag", "RateLimit", "X-Request-ID"}
    assert placed["parameters"] == [{"$ref": "#/components/parameters/X-Region"}]
    assert document["components"]["parameters"]["X-Region"] == {
        "name": "X-Region",
        "in": "header",
        "required": True,
        "schema": {"type": "string"},
        "description": "Where.",
    }


def test_only_headers_that_are_used_are_there(document):
    used = set(re.findall(r'"#/components/headers/([^"]+)"', json.dumps(document)))
    there = document["components"]["headers"]
    assert there.keys() == used < HEADERS.keys()
    assert all(header == HEADERS[name] for name, header in there.items())


def test_every_operation_says_who_may_call_it(document):
    security = {name: each["security"] for name, each in operations(document).items()}
    assert security["orders_place_order"] == [{"access_token": ["orders:write"]}]
    assert security["orders_read_order"] == []
    assert scopes_of(router.routes) == {"orders:write"}


def test_one_parameter_is_said_once_and_another_of_its_name_is_told_apart(document):
    names = {name: each.get("parameters", []) for name, each in operations(document).items()}
    since = "#/components/parameters/since"
    assert {"$ref": since} in names["orders_list_orders"]
    assert {"$ref": since} in names["orders_cancel_order"]
    assert {"$ref": f"{since}.2"} in names["orders_read_order"]
    shared = document["components"]["parameters"]
    assert shared["since"]["schema"] == {"type": "integer", "minimum": 0}
    assert shared["since.2"]["schema"] == {"type": "string", "maxLength": 9, "default": ""}
    assert shared["placed_at.lt"]["name"] == "placed_at[lt]"
    assert shared["kind"]["schema"] == {"anyOf": [{"type": "integer"}, {"type": "string"}]}


def test_schemas_have_no_titles_but_those_that_somebody_wrote(document):
    schemas = document["components"]["schemas"]
    assert schemas["Order"]["properties"]["amount"] == {"type": "integer", "maximum": 2**53 - 1, "minimum": 0}
    assert schemas["Order"]["properties"]["place"]["title"] == "Where it goes"
    assert schemas["Line"]["properties"].keys() == {"pieces", "title"}
    assert "title" not in schemas["Line"]
    assert re.findall(r'"title": "([^"]*)"', json.dumps(schemas)) == ["Where it goes"]


def test_whole_bounds_have_no_point_and_others_keep_theirs(document):
    pieces = document["components"]["schemas"]["Line"]["properties"]["pieces"]
    assert json.dumps(pieces) == '{"type": "number", "multipleOf": 0.5, "maximum": 100}'


def test_every_reference_leads_somewhere_and_frameworks_shapes_are_gone(document):
    for reference in set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document))):
        place = document
        for part in reference.split("/"):
            place = place[part]
    assert document["components"]["schemas"].keys() == {"Line", "Order", "Problem"}


async def test_a_problem_is_what_the_document_says(document, anywhere):
    schema = document["components"]["schemas"]["Problem"]
    for answered in (
        await anywhere.get("/v1/nothing"),
        await anywhere.get("/v1/orders", params={"since": "x"}),
    ):
        assert set(schema["required"]) <= answered.json().keys() <= schema["properties"].keys()
    (error,) = answered.json()["errors"]
    assert error.keys() == schema["properties"]["errors"]["items"]["properties"].keys()


def test_a_service_without_operations_has_a_document():
    document = openapi_of(bare())
    assert document["paths"] == {}
    assert document["components"].keys() == {"headers", "responses", "schemas"}
    assert document["components"]["schemas"].keys() == {"Problem"}


def test_an_idempotent_operation_says_so(service):
    document = json.loads(document_of(service))
    made = operations(document)["things_make_thing"]
    assert {"$ref": "#/components/parameters/Idempotency-Key"} in made["parameters"]
    assert document["components"]["parameters"]["Idempotency-Key"]["required"] is True
    assert "Idempotent-Replayed" in made["responses"]["201"]["headers"]
    assert {"400", "401", "409", "422"} <= made["responses"].keys()


def test_the_committed_text_is_tidy(document):
    text = rendered(document)
    assert text.startswith('{\n  "openapi": "3.1.0",\n  "info": {\n')
    assert text.endswith("}\n")
    assert json.loads(text) == document


def test_every_process_says_the_same():
    """Sets have another order in each: FastAPI's methods and tags, dependencies, scopes."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "example", "openapi"],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[1])},
            stdout=subprocess.PIPE,
        )
        for seed in ("1", "2", "3")
    ]
    (said,) = {process.communicate()[0] for process in processes}
    assert json.loads(said)["paths"]
