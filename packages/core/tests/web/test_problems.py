"""One table decides statuses; every failure has one shape, and says nothing that was sent."""

import json
from enum import StrEnum
from typing import Annotated, Literal

import pytest
from bare import bare
from fastapi import Header, HTTPException, Query
from pydantic import BaseModel, Field, SecretStr, field_validator
from starlette.exceptions import HTTPException as StarletteHTTPException

from core import errors
from core.errors import Conflict, DomainError, FieldError, Invalid
from core.ids import TypeId
from core.testing import SERVICE_URL, problem
from core.testing.open_router import OpenRouter
from core.web.problems import ERRORS_MAX, STATUS, Problems, from_http, from_validation, problem_kinds, status_of

CANARY = "canary-hunter2"
# Those of other tests, and of whatever else this process has loaded, are not ours to judge.
KINDS = [kind for kind in problem_kinds() if kind.__module__.startswith("core.")]


class Colour(StrEnum):
    """Two of them."""

    RED = "red"
    BLUE = "blue"


class Cat(BaseModel):
    """One half of a union."""

    kind: Literal["cat"]


class Dog(BaseModel):
    """The other."""

    kind: Literal["dog"]


class Order(BaseModel, extra="forbid"):
    """One field of each kind of complaint."""

    amount: int | None = None
    colour: Colour | None = None
    pet: Annotated[Cat | Dog, Field(discriminator="kind")] | None = None
    code: Annotated[str, Field(pattern="^[A-Z]+$", max_length=5)] | None = None
    password: SecretStr = SecretStr("unset")
    nested: list["Order"] = []
    checked: str | None = None

    @field_validator("checked")
    @classmethod
    def _says_what_it_got(cls, value: str) -> str:
        raise ValueError(f"{value!r} is not good")

    @field_validator("password")
    @classmethod
    def _long_enough(cls, value: SecretStr) -> SecretStr:
        if len(value) < 100:
            raise ValueError(f"too short: {value.get_secret_value()}")
        return value


router = OpenRouter(prefix="/v1/orders", tags=["orders"])


@router.post("")
async def order(order: Order) -> Order:
    return order


@router.get("")
async def orders(size: Annotated[int, Query(ge=1)] = 1, x_colour: Annotated[Colour, Header()] = Colour.RED) -> Order:
    return Order()


@router.get("/raises/{status}")
async def raises(status: int, header: str | None = None) -> Order:
    headers = dict([header.split(":")]) if header else None
    raise HTTPException(status, CANARY, headers=headers)


@router.get("/{order_id}")
async def read(order_id: Annotated[str, TypeId("ord")], size: int = 1) -> Order:
    return Order()


@pytest.fixture
def app():
    return bare(router)


def document(response) -> dict:
    return json.loads(bytes(response.body))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_has_a_status_a_code_and_a_title(kind):
    assert status_of(kind) >= 400
    assert kind.code == kind.code.lower()
    assert kind.code.replace("_", "").isalnum()
    assert kind.title()
    assert not kind.title().endswith(".")


def test_the_table_knows_every_kind_that_core_names():
    of_core = {each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, DomainError)}
    assert {kind for kind in of_core if DomainError in kind.__bases__} == STATUS.keys()


def test_no_two_kinds_share_a_status_and_no_two_errors_of_core_a_code():
    assert len(set(STATUS.values())) == len(STATUS)
    assert len({kind.code for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("kind", STATUS, ids=lambda kind: kind.__name__)
def test_a_named_refusal_has_the_status_of_its_kind(kind):
    named = type("Named", (kind,), {"__doc__": "It has a name.", "code": "named"})
    assert status_of(type("NamedTwice", (named,), {})) == STATUS[kind]


def test_a_title_is_constant_and_a_detail_speaks_of_the_occurrence():
    said = document(Problems(SERVICE_URL).answer(Conflict("Invoice inv_1 is paid."), {}))
    silent = document(Problems(SERVICE_URL).answer(Conflict(), {}))
    assert said["title"] == silent["title"] == silent["detail"] == "The state of the resource does not allow this"
    assert said["detail"] == "Invoice inv_1 is paid."


def test_outside_of_any_request_a_problem_names_none():
    said = document(Problems(SERVICE_URL).answer(Conflict(), {}))
    assert said.keys() == {"type", "title", "status", "detail", "code"}


def test_a_problem_can_have_members_of_its_own():
    assert document(Problems(SERVICE_URL).answer(Conflict(), {}, members={"checks": {"a": "ok"}}))["checks"]


@pytest.mark.parametrize(
    ("error", "header", "value"),
    [
        (errors.Unauthenticated(), "www-authenticate", "Bearer"),
        (errors.InvalidToken(), "www-authenticate", 'Bearer error="invalid_token"'),
        (errors.InsufficientScope(), "www-authenticate", 'Bearer error="insufficient_scope"'),
        (
            errors.InsufficientScope(scope="users:read"),
            "www-authenticate",
            'Bearer error="insufficient_scope", scope="users:read"',
        ),
        (errors.Forbidden(), "www-authenticate", None),
        (errors.RateLimited(retry_after_s=7), "retry-after", "7"),
        (errors.Unavailable(), "retry-after", "1"),
        (errors.TimedOut(), "retry-after", None),
    ],
)
def test_a_refusal_says_in_headers_what_the_client_can_do(error, header, value):
    assert Problems(SERVICE_URL).answer(error, {}).headers.get(header) == value


def test_an_http_exception_of_any_status_is_a_refusal_of_its_class():
    known = {int(each) for each in STATUS.values()}
    # Those without a name included: they are somebody's idea.
    for status in range(400, 600):
        refusal = from_http(StarletteHTTPException(status))
        assert status_of(type(refusal)) == (status if status in known else status // 100 * 100)


@pytest.mark.parametrize("status", [400, 404, 410, 418, 451, 499, 500, 501, 502, 511, 599])
async def test_an_http_exception_is_answered_as_a_problem_without_its_text(anywhere, status):
    response = await anywhere.get(f"/v1/orders/raises/{status}")
    assert problem(response)[0] // 100 == status // 100
    assert "canary" not in response.text


@pytest.mark.parametrize("status", [204, 304])
async def test_an_http_exception_that_is_no_refusal_is_what_it_says(anywhere, status):
    response = await anywhere.get(f"/v1/orders/raises/{status}?header=ETag:1")
    assert (response.status_code, response.content, response.headers["etag"]) == (status, b"", "1")


async def test_a_redirection_that_is_raised_leads_on(anywhere):
    response = await anywhere.get("/v1/orders/raises/303?header=Location:/v1/orders")
    assert (response.status_code, response.headers["location"]) == (303, "/v1/orders")


@pytest.mark.parametrize("header", ["Retry-After", "retry-after"])
async def test_the_headers_of_an_http_exception_come_first(anywhere, header):
    response = await anywhere.get(f"/v1/orders/raises/429?header={header}:5")
    assert response.headers.get_list("retry-after") == ["5"]


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"amount": "ten"}, "#/amount", "int_parsing"),
        ({"nested": [{}, {"amount": []}]}, "#/nested/1/amount", "int_type"),
        ({"a/b~c": 1}, "#/a~1b~0c", "extra_forbidden"),
        ({"": 1}, "#/", "extra_forbidden"),
        ({"ü": 1}, "#/ü", "extra_forbidden"),
        ({"nested": 1}, "#/nested", "list_type"),
        ([], "#", "model_attributes_type"),
        (None, "#", "missing"),
    ],
)
async def test_an_error_points_at_the_field(anywhere, body, pointer, code):
    response = await anywhere.post("/v1/orders", json=body)
    assert problem(response) == (422, "validation_failed")
    (error,) = response.json()["errors"]
    assert (error["pointer"], error["code"]) == (pointer, code)
    assert error["detail"]


async def test_an_error_points_at_a_parameter_by_where_it_stands(anywhere):
    response = await anywhere.get("/v1/orders?size=0", headers={"X-Colour": "green"})
    assert [each["pointer"] for each in response.json()["errors"]] == ["#/query/size", "#/header/x-colour"]


async def test_what_is_no_id_in_a_path_is_the_id_of_nothing(anywhere):
    assert problem(await anywhere.get("/v1/orders/inv_1?size=none")) == (404, "not_found")


@pytest.mark.parametrize(
    ("content", "media_type", "expected"),
    [
        (b"{", "application/json", (400, "malformed_json")),
        (b"", "application/json", (422, "validation_failed")),
        (b"[" * 100_000, "application/json", (400, "malformed_json")),
        (b'"\xff"', "application/json", (400, "malformed_json")),
        (b"1" * 5000, "application/json", (400, "malformed_json")),
        (b'{"amount": NaN}', "application/json", (422, "validation_failed")),
        (b'"text"', "application/json", (422, "validation_failed")),
        (b"{}", "application/problem+json; charset=utf-8", (200, None)),
        (b"{}", "text/json", (415, "unsupported_media_type")),
        (b"{}", "text/plain", (415, "unsupported_media_type")),
        (b"{}", "", (415, "unsupported_media_type")),
        (b"{}", "nonsense", (415, "unsupported_media_type")),
        (b"a=1", "application/x-www-form-urlencoded", (415, "unsupported_media_type")),
    ],
    ids=lambda value: ascii(value)[:30],
)
async def test_a_body_that_cannot_be_read_is_told_from_one_that_is_wrong(anywhere, content, media_type, expected):
    response = await anywhere.post("/v1/orders", content=content, headers={"Content-Type": media_type})
    if response.status_code == 200:
        assert expected == (200, None)
    else:
        assert problem(response) == expected


@pytest.mark.parametrize(
    "body",
    [
        {"amount": CANARY},
        {"colour": CANARY},
        {"pet": {"kind": CANARY}},
        {"pet": CANARY},
        {"code": CANARY},
        {"password": CANARY},
        {"checked": CANARY},
        {"checked": f"{CANARY} {CANARY}"},
        {"nested": [{"checked": CANARY}]},
        {"nested": CANARY},
        {"unknown": CANARY},
        CANARY,
    ],
    ids=str,
)
async def test_what_was_sent_is_not_sent_back(anywhere, logs, body):
    response = await anywhere.post("/v1/orders", json=body)
    assert problem(response) == (422, "validation_failed")
    assert "canary" not in response.text
    assert "canary" not in str(logs)


async def test_what_was_asked_is_not_sent_back(anywhere, logs):
    for response in (
        await anywhere.get(f"/v1/orders?size={CANARY}", headers={"X-Colour": CANARY}),
        await anywhere.get(f"/v1/{CANARY}?{CANARY}={CANARY}"),
        await anywhere.get(f"/v1/orders/{CANARY}"),
        await anywhere.request("CANARY-HUNTER2", "/v1/orders"),
        await anywhere.post("/v1/orders", content=CANARY, headers={"Content-Type": "application/json"}),
        await anywhere.post("/v1/orders", content=CANARY, headers={"Content-Type": CANARY}),
    ):
        assert response.status_code >= 400
        assert "canary" not in response.text.lower()


async def test_errors_are_bounded_in_number(anywhere):
    response = await anywhere.post("/v1/orders", json={f"unknown_{number}": 1 for number in range(1000)})
    assert problem(response) == (422, "validation_failed")
    assert len(response.json()["errors"]) == ERRORS_MAX


async def test_text_that_is_none_breaks_no_answer(anywhere):
    content = b'{"\\ud800": 1, "code": "\\ud800"}'
    response = await anywhere.post("/v1/orders", content=content, headers={"Content-Type": "application/json"})
    assert problem(response) == (422, "validation_failed")
    assert document(Problems(SERVICE_URL).answer(Conflict("\ud800"), {}))["detail"] == "\ud800"


async def test_a_refusal_of_the_business_can_point_at_fields_too(anywhere):
    errors_ = (FieldError("#/email", "taken", "It is taken."),)
    said = document(Problems(SERVICE_URL).answer(Invalid("See errors.", errors_), {}))
    assert said["errors"] == [{"pointer": "#/email", "code": "taken", "detail": "It is taken."}]
    assert "errors" not in document(Problems(SERVICE_URL).answer(Invalid(), {}))


def test_short_words_of_a_sentence_are_not_taken_for_what_was_sent():
    found = [{"type": "x", "loc": ("body", "a"), "msg": "Input should be in range", "input": "in"}]
    refusal = from_validation(found, None)
    assert isinstance(refusal, Invalid)
    assert refusal.errors[0].detail == "Input should be in range"


async def test_a_problem_says_where_it_is_explained(anywhere):
    response = await anywhere.get("/v1/nothing-here")
    assert response.json()["type"] == f"{SERVICE_URL}/problems/not_found"


async def test_every_code_has_a_page(anywhere):
    for kind in problem_kinds():
        page = await anywhere.get(f"/problems/{kind.code}")
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert kind.code in page.text


async def test_a_page_escapes_what_it_shows(anywhere):
    class Odd(Conflict):
        """It is <script>alert(1)</script> & odd."""

        code = "odd_page"

    page = await anywhere.get("/problems/odd_page")
    assert "<h1>409 <code>odd_page</code></h1>" in page.text
    assert "It is &lt;script&gt;alert(1)&lt;/script&gt; &amp; odd." in page.text
    assert "<script>" not in page.text
    assert Odd.title().startswith("It is")


@pytest.mark.parametrize("code", ["nothing", "<script>", "..", "%2e%2e", "not_found/x"])
async def test_an_unknown_code_has_no_page_and_is_not_shown(anywhere, code):
    response = await anywhere.get(f"/problems/{code}")
    assert problem(response) == (404, "not_found")
    assert "script" not in response.text


async def test_a_page_of_a_problem_without_a_code_of_its_own_is_its_parents(anywhere):
    class Unnamed(errors.PaymentFailed):
        """It has no code of its own."""

    assert Unnamed.code == "payment_failed"
    assert Unnamed not in list(problem_kinds())
    assert "It has no code" not in (await anywhere.get("/problems/payment_failed")).text


def test_a_status_keeps_the_detail_of_the_refusal_that_caused_it_and_its_own_where_they_differ():
    same, other = HTTPException(413), HTTPException(413)
    same.__cause__ = errors.ContentTooLarge("At most 5 bytes are accepted.")
    other.__cause__ = errors.NotFound("Nothing here.")
    assert [from_http(error).detail for error in (same, other)] == [
        "At most 5 bytes are accepted.",
        errors.ContentTooLarge.title(),
    ]
