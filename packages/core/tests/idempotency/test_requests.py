"""`POST /v1/things` under an Idempotency-Key: one effect and one answer, however often it is sent."""

import asyncio
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel, Field
from sqlalchemy import text

from core.dependencies import Session, idempotent
from core.errors import BadRequest, Conflict, DomainError, Invalid, RateLimited, TimedOut, Unauthenticated, Unavailable
from core.idempotency import Claims
from core.mount import ServiceMount
from core.ports import Ports
from core.routing import register
from core.services import Service
from core.settings import ServiceSettings
from core.testing import Host, problem, running
from core.testing.open_router import OpenRouter

JSON = {"Content-Type": "application/json"}


async def test_a_second_request_gets_the_first_ones_bytes(make, names):
    first, second = await make(), await make()
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert first.headers["content-type"] == second.headers["content-type"] == "application/json"
    assert second.headers["x-request-id"] != first.headers["x-request-id"]
    assert await names() == ["chair"]


async def test_an_effect_is_announced_once(make, admin, becomes):
    await make()
    await make()
    await becomes(lambda: admin.fetchval("SELECT announced = 1 FROM things"))
    assert await admin.fetchval("SELECT count(*) FROM outbox") == 1


@pytest.mark.parametrize("again", ['"key"', " key "])
async def test_a_key_is_the_same_bare_or_quoted(make, again):
    await make(key="key")
    assert (await make(key=again)).headers["idempotent-replayed"] == "true"


@pytest.mark.parametrize("other", ['"key', 'key"', "Key"])
async def test_a_key_that_is_written_otherwise_is_another_key(make, other):
    await make("chair", key="key")
    assert "idempotent-replayed" not in (await make("table", key=other)).headers


@pytest.mark.parametrize("key", [None, "", '""', " ", "k" * 256])
async def test_a_missing_or_endless_key_is_refused(make, names, claims, key):
    assert problem(await make(key=key)) == (400, "idempotency_key_required")
    assert await names() == await claims() == []


@pytest.mark.parametrize("key", ["k", "k" * 255, '"' + "k" * 255 + '"'])
async def test_a_key_has_up_to_255_characters(make, key):
    assert (await make(key=key)).status_code == 201


async def test_the_same_json_in_another_order_or_spacing_is_the_same_request(client, signed_in):
    headers = {**signed_in(subject="usr_01h455vb4pex5vsknk084sn02q"), **JSON, "Idempotency-Key": "key"}
    first = await client.post("/v1/tests/echo", content=b'{"from": "a", "n": 1.5}', headers=headers)
    second = await client.post("/v1/tests/echo", content=b'{\n"n":1.5,"from":"\\u0061"}', headers=headers)
    assert first.json() == {"from": "a", "n": 1.5}
    assert (second.content, second.headers["idempotent-replayed"]) == (first.content, "true")


async def test_json_that_is_too_deep_to_be_written_again_is_taken_as_it_was_sent(client, signed_in):
    headers = {**signed_in(subject="usr_01h455vb4pex5vsknk084sn02q"), **JSON, "Idempotency-Key": "key"}
    ignored = b'{"a": ' * 600 + b"1" + b"}" * 600
    body = b'{"from": "a", "n": 1.5, "ignored": ' + ignored + b"}"
    first, second = [await client.post("/v1/tests/echo", content=body, headers=headers) for _ in range(2)]
    assert (first.status_code, second.headers["idempotent-replayed"]) == (200, "true"), first.text


async def test_another_body_under_the_key_is_refused(make, names):
    await make("chair")
    assert problem(await make("table")) == (422, "idempotency_key_reused")
    assert await names() == ["chair"]


async def test_the_key_of_somebody_else_is_another_key(make, names):
    await make("chair", by="usr_01h455vb4pex5vsknk084sn02q")
    assert "idempotent-replayed" not in (await make("table", by="usr_01h455vb4pex5vsknk084sn02r")).headers
    assert await names() == ["chair", "table"]


@pytest.mark.parametrize("body", [{"name": ""}, {"name": "chair", "extra": 1}, {}])
async def test_a_body_that_fails_validation_never_claims(make, claims, body):
    assert problem(await make(body=body)) == (422, "validation_failed")
    assert await claims() == []
    assert (await make("chair")).status_code == 201


async def test_many_at_once_have_one_effect(make, names):
    responses = await asyncio.gather(*(make() for _ in range(20)))
    fresh = [response for response in responses if response.status_code == 201]
    others = [response for response in responses if response.status_code != 201]
    assert len({response.content for response in fresh}) == 1
    assert [response.headers.get("idempotent-replayed") for response in fresh].count(None) == 1
    assert {problem(response) for response in others} <= {(409, "idempotency_in_flight")}
    assert {response.headers["retry-after"] for response in others} <= {"1"}
    assert await names() == ["chair"]


@pytest.fixture
async def narrow(service: Service, settings: ServiceSettings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the example with two connections for transactions and one for reads."""
    database = settings.database.model_copy(update={"pool_size": 2, "read_pool_size": 1})
    async with running(service.create_app(settings.model_copy(update={"database": database}), Ports())) as client:
        yield client


async def test_nobody_waits_for_who_works_under_the_same_key(narrow, signed_in, subject, names, commits, becomes):
    async def make(name: str, key: str = "key") -> httpx.Response:
        headers = signed_in(subject=subject) | {"Idempotency-Key": key}
        return await narrow.post("/v1/things", headers=headers, json={"name": name})

    await commits.hold("things", when="NEW.name = 'chair'")
    first = asyncio.create_task(make("chair"))
    await becomes(commits.wait)
    # Another body is told so, although the first is still being worked on.
    assert problem(await make("table")) == (422, "idempotency_key_reused")
    others = await asyncio.gather(*(make("chair") for _ in range(19)))
    assert {problem(response) for response in others} == {(409, "idempotency_in_flight")}
    assert {response.headers["retry-after"] for response in others} == {"1"}
    assert (await make("table", key="another")).status_code == 201
    assert (await narrow.get("/v2/things")).status_code == 200
    # Nothing is answered before it is committed, and one of two connections was enough for all the others.
    assert not first.done()
    assert await names() == ["table"]
    await commits.let_go()
    assert (await first).status_code == 201
    assert await names() == ["chair", "table"]


async def test_a_refusal_is_stored_and_leaves_nothing_else(make, names, admin):
    first, second = await make("refused"), await make("refused")
    assert problem(first) == (409, "thing_refused")
    assert (second.status_code, second.content) == (409, first.content)
    assert second.headers["content-type"] == first.headers["content-type"] == "application/problem+json"
    assert second.headers["idempotent-replayed"] == "true"
    assert await names() == []
    assert await admin.fetchval("SELECT count(*) FROM outbox") == 0


@pytest.mark.parametrize(
    ("name", "answer"), [("forbidden", (403, "thing_forbidden")), ("broken", (500, "internal_error"))]
)
async def test_what_says_nothing_about_the_work_is_not_stored(make, claims, names, name, answer):
    assert problem(await make(name)) == answer
    assert await claims() == []
    assert await names() == []
    assert (await make("chair")).status_code == 201


async def test_a_request_without_a_token_claims_nothing(client, claims):
    response = await client.post("/v1/things", json={"name": "chair"}, headers={"Idempotency-Key": "key"})
    assert problem(response) == (401, "unauthenticated")
    assert await claims() == []


async def test_a_commit_that_fails_gives_the_claim_back(make, admin, claims, names):
    await admin.execute("""
        CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END';
        CREATE CONSTRAINT TRIGGER no AFTER INSERT ON things DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION no()
    """)
    assert problem(await make()) == (500, "internal_error")
    assert await names() == await claims() == []
    await admin.execute("DROP TRIGGER no ON things")
    assert (await make()).status_code == 201


async def test_a_connection_that_is_lost_gives_the_claim_back(make, admin, claims, names):
    await admin.execute("""
        CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql
            AS 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END';
        CREATE CONSTRAINT TRIGGER die AFTER INSERT ON things DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION die()
    """)
    assert problem(await make()) == (503, "database_unavailable")
    assert await names() == await claims() == []
    await admin.execute("DROP TRIGGER die ON things")
    assert (await make()).status_code == 201


async def test_a_request_that_took_too_long_can_be_sent_again_at_once(app, make, admin, claims, names):
    await admin.execute("""
        CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN NEW; END';
        CREATE TRIGGER slow BEFORE INSERT ON things FOR EACH ROW EXECUTE FUNCTION slow()
    """)
    app.deadlines.timeout_s = 0.1
    assert problem(await make()) == (504, "timed_out")
    assert await claims() == []
    app.deadlines.timeout_s = 12
    await admin.execute("DROP TRIGGER slow ON things")
    assert "idempotent-replayed" not in (await make()).headers
    assert await names() == ["chair"]


async def test_a_request_whose_time_is_up_during_its_commit_has_happened(app, make, names, commits, becomes):
    async def is_late() -> bool:
        return request.cancelled_at is not None

    await commits.hold("things")
    first = asyncio.create_task(make())
    await becomes(commits.wait)
    [request] = app.deadlines.requests.values()
    request.deadline = 0
    await becomes(is_late)
    await commits.let_go()
    assert problem(await first) == (504, "timed_out")
    second = await make()
    assert (second.status_code, second.headers["idempotent-replayed"]) == (201, "true")
    assert await names() == ["chair"]


class Echo(BaseModel):
    sender: str = Field(alias="from")
    n: float


class Coupon(Invalid):
    """The coupon is used up."""

    code = "coupon_used_up"


class Counted(Conflict):
    """The attempt counts."""

    code = "counted"
    keeps_changes = True


class WrongPassword(Unauthenticated):
    """The password is wrong, which counts."""

    code = "wrong_password"
    keeps_changes = True


class TooEarly(Conflict):
    """It is too early to say."""

    code = "too_early"
    is_final = False


REFUSALS: list[DomainError] = [
    BadRequest(),
    Conflict(),
    Counted(),
    Coupon(),
    Invalid(),
    RateLimited(),
    TimedOut(),
    TooEarly(),
    Unavailable(),
    WrongPassword(),
]


@pytest.fixture
def attempts() -> list[str]:
    return []


@pytest.fixture
def app(app: FastAPI, attempts: list[str]) -> FastAPI:
    """The example with operations that show what making a thing cannot."""
    router = OpenRouter(prefix="/v1/tests", tags=["tests"])

    @router.post("/echo")
    @idempotent
    async def echo(body: Echo) -> Echo:
        return body

    @router.post("/nothing", status_code=204)
    @idempotent
    async def nothing() -> None:
        attempts.append("nothing")

    @router.post("/refusals/{code}")
    @idempotent
    async def refuse(code: str, session: Session) -> Echo:
        attempts.append(code)
        await session.execute(text("INSERT INTO inbox_sequences VALUES ('attempt', gen_random_uuid(), 1)"))
        raise next(refusal for refusal in REFUSALS if refusal.code == code)

    register(app, router)
    return app


@pytest.fixture
def refused(client, signed_in, subject) -> Callable[..., object]:
    async def post(code: str):
        return await client.post(
            f"/v1/tests/refusals/{code}", headers={**signed_in(subject=subject), "Idempotency-Key": "k"}
        )

    return post


@pytest.mark.parametrize("code", ["bad_request", "conflict", "coupon_used_up", "counted"])
async def test_a_refusal_after_validation_is_stored(refused, attempts, code):
    first, second = await refused(code), await refused(code)
    assert problem(first)[1] == code
    assert (second.content, second.headers["idempotent-replayed"]) == (first.content, "true")
    assert attempts == [code]


@pytest.mark.parametrize(
    "code", ["rate_limited", "timed_out", "too_early", "unavailable", "validation_failed", "wrong_password"]
)
async def test_a_refusal_that_a_retry_may_overcome_is_not_stored(refused, attempts, code):
    for _ in range(2):
        response = await refused(code)
        assert problem(response)[1] == code
        assert "idempotent-replayed" not in response.headers
    assert attempts == [code, code]


@pytest.mark.parametrize(("code", "kept"), [("conflict", 0), ("counted", 1), ("unavailable", 0), ("wrong_password", 1)])
async def test_a_refusal_keeps_what_it_says_that_it_keeps(refused, admin, code, kept):
    await refused(code)
    assert await admin.fetchval("SELECT count(*) FROM inbox_sequences") == kept


async def test_an_answer_without_a_body_has_none_the_second_time_either(client, signed_in, subject, attempts):
    headers = {**signed_in(subject=subject), "Idempotency-Key": "k"}
    first, second = [await client.post("/v1/tests/nothing", headers=headers) for _ in range(2)]
    assert (first.status_code, first.content, second.status_code, second.content) == (204, b"", 204, b"")
    assert (second.headers["idempotent-replayed"], attempts) == ("true", ["nothing"])


async def test_a_body_that_nobody_asked_for_is_part_of_the_request(client, signed_in, subject):
    headers = {**signed_in(subject=subject), "Idempotency-Key": "k"}
    assert (await client.post("/v1/tests/nothing", headers=headers, content=b"{no json")).status_code == 204
    assert problem(await client.post("/v1/tests/nothing", headers=headers))[0] == 422


async def test_the_query_is_part_of_the_request(client, signed_in, subject):
    headers = {**signed_in(subject=subject), "Idempotency-Key": "k"}
    assert (await client.post("/v1/tests/nothing?color=red", headers=headers)).status_code == 204
    refused = await client.post("/v1/tests/nothing?color=blue", headers=headers)
    assert problem(refused) == (422, "idempotency_key_reused")


async def test_a_request_is_the_same_mounted_or_not(app, client, signed_in, subject, attempts):
    headers = {**signed_in(subject=subject), "Idempotency-Key": "k"}
    assert (await client.post("/v1/tests/nothing", headers=headers)).status_code == 204
    async with running(Host(ServiceMount("example", app))) as mounted:
        again = await mounted.post("/example/v1/tests/nothing", headers=headers)
    assert (again.headers["idempotent-replayed"], attempts) == ("true", ["nothing"])


async def test_numbers_that_json_does_not_know_are_answered(client, signed_in, subject):
    headers = {**signed_in(subject=subject), **JSON, "Idempotency-Key": "k"}
    response = await client.post("/v1/tests/echo", headers=headers, content=b'{"from": "a", "n": NaN}')
    assert (response.status_code, response.json()) == (200, {"from": "a", "n": None})


async def test_the_same_key_on_another_object_is_refused(refused):
    await refused("conflict")
    assert problem(await refused("counted")) == (422, "idempotency_key_reused")


async def test_what_is_no_longer_kept_is_forgotten(make, admin, database):
    await make(key="old")
    await make("table", key="new")
    await admin.execute("UPDATE idempotency_keys SET created_at = now() - interval '25 h' WHERE key = 'old'")
    await Claims(database).forget()
    assert [row["key"] for row in await admin.fetch("SELECT key FROM idempotency_keys")] == ["new"]
