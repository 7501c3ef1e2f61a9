"""What a span says of a failure, and what no span says of anything: secrets."""

import asyncio

import httpx
import pytest
from opentelemetry.trace import SpanKind, StatusCode
from shop import WORD
from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError

from core.client import Retrying
from core.clock import SystemClock
from core.database import open_database
from core.events import Catalogue, Dispatcher, Handlers, Inbox, Relay
from core.events.tables import inbox_sequences
from core.ids import new_id
from core.lifespan import Supervisor
from core.testing import problem
from core.tracing import Tracing, record_failure, span

CANARY = "canary0451"


def seen(spans) -> str:
    """All that is told of all spans."""
    assert spans.all
    return "\n".join(span.to_json() for span in spans.all)


async def test_a_secret_is_in_no_span(client, spans, becomes):
    secret = {"q": CANARY, "X-Amz-Signature": CANARY}
    headers = {"Authorization": f"Bearer {CANARY}", "Cookie": CANARY, "X-Secret": CANARY, "baggage": f"user={CANARY}"}
    for method in ("GET", "POST", "PUT"):
        await client.request(method, "/shop/v1/things/chair", params=secret, headers=headers, content=CANARY)
    await client.put("/shop/v1/things/chair", params=secret, headers=headers, content=b"shape")
    await client.post("/front/v1/orders/chair", params=secret, headers=headers)
    await becomes(lambda: asyncio.sleep(0, spans.has("process thing.made")))
    assert CANARY not in seen(spans)
    assert {span.attributes["url.query"] for span in spans.all if "url.query" in span.attributes} == {"***"}


async def test_what_is_written_and_announced_is_in_no_span(client, spans, becomes):
    """The path is: a route that takes a secret there would show it in every log, too."""
    await client.post(f"/shop/v1/things/{CANARY}")
    await client.get(f"/shop/v1/things/{CANARY}")
    await becomes(lambda: asyncio.sleep(0, spans.has("process thing.made")))
    within = [span for span in spans.all if span.kind is not SpanKind.SERVER]
    assert len(within) >= 7
    assert CANARY not in "\n".join(span.to_json() for span in within)


async def test_an_unhandled_exception_is_on_the_span_of_its_request(client, spans):
    response = await client.put("/shop/v1/things/chair", content=CANARY)
    assert problem(response) == (500, "internal_error")
    failed = spans.named("PUT /shop/v1/things/{name}")
    (event,) = failed.events
    assert (event.name, event.attributes["exception.type"]) == ("exception", "ConnectionError")
    assert event.attributes["exception.message"] == "password=*** for /shop/v1/things/chair"
    assert "in break_" in event.attributes["exception.stacktrace"]
    assert failed.status.status_code is StatusCode.ERROR
    assert failed.attributes["http.response.status_code"] == 500


class Unsayable(Exception):
    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("failure", "message"),
    [(ValueError("\ud800 is half"), r"\ud800 is half"), (Unsayable(), "<exception str() failed>")],
)
async def test_whatever_its_text_is_a_failure_is_told_in_a_way_that_can_be_sent(tracing, spans, failure, message):
    with span(tracing.tracer, "request", SpanKind.SERVER, {}):
        record_failure(failure)
    failed = spans.named("request")
    (event,) = failed.events
    assert event.attributes["exception.message"] == message
    assert event.attributes["exception.stacktrace"].encode()
    assert failed.attributes["error.type"].endswith(type(failure).__qualname__)


async def test_of_an_answer_that_has_not_its_shape_only_the_type_is_told(client, spans):
    await client.put(f"/shop/v1/things/{CANARY}", content=b"shape")
    (event,) = spans.named("PUT /shop/v1/things/{name}").events
    assert dict(event.attributes) == {"exception.type": "fastapi.exceptions.ResponseValidationError"}


async def test_a_refusal_is_no_failure(client, spans):
    assert (await client.get("/shop/v1/nothing")).status_code == 404
    refused = spans.named("GET")
    assert (refused.status.status_code, refused.events) == (StatusCode.UNSET, ())


@pytest.fixture
async def tracing(spans):
    """A provider of its own, beside any application."""
    tracing = Tracing({"service.name": "alone"}, ratio=1, believes=lambda _: True, processors=[spans.processor])
    async with tracing.listening(flush_timeout_s=lambda: 1):
        yield tracing


class Upstream(httpx.AsyncBaseTransport):
    """Answers with what it was given, in order, and keeps what it was asked."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.traceparents: list[str] = []

    async def handle_async_request(self, request):
        self.traceparents.append(request.headers["traceparent"])
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, float):
            await asyncio.sleep(answer)
        return httpx.Response(int(answer))


async def call(tracing, upstream, *, attempt_timeout_s=1.0, retries_max=2):
    """A GET to the sibling within a span of a request."""

    async def at_once(_seconds):
        pass

    retrying = Retrying(
        upstream,
        timeout_s=5,
        attempt_timeout_s=attempt_timeout_s,
        retries_max=retries_max,
        sleep=at_once,
        tracer=tracing.tracer,
    )
    url = "https://user:pass@users.test:8443/v1/users?token=t#top"
    with span(tracing.tracer, "request", SpanKind.SERVER, {}):
        return await retrying.handle_async_request(httpx.Request("GET", url))


async def test_each_attempt_of_a_call_is_a_span_that_the_sibling_is_told_of(tracing, spans):
    upstream = Upstream(httpx.ConnectError(CANARY), 503, 200)
    await call(tracing, upstream)
    attempts = [span for span in spans.all if span.name == "GET"]
    assert [f"{span.context.trace_id:032x}-{span.context.span_id:016x}" for span in attempts] == [
        traceparent[3:52] for traceparent in upstream.traceparents
    ]
    assert {span.parent.span_id for span in attempts} == {spans.named("request").context.span_id}
    told = [
        [span.attributes.get(name) for name in ("http.request.resend_count", "http.response.status_code", "error.type")]
        for span in attempts
    ]
    assert told == [[None, None, "httpx.ConnectError"], [1, 503, "503"], [2, 200, None]]
    assert [span.status.status_code.name for span in attempts] == ["ERROR", "ERROR", "UNSET"]
    assert {span.attributes["url.full"] for span in attempts} == {"https://users.test:8443/v1/users"}
    assert {span.attributes["server.port"] for span in attempts} == {8443}
    assert CANARY not in seen(spans)


async def test_to_a_client_a_refusal_is_a_failure(tracing, spans):
    await call(tracing, Upstream(404))
    refused = spans.named("GET")
    assert (refused.attributes["error.type"], refused.status.status_code) == ("404", StatusCode.ERROR)


async def test_reads_of_many_rows_have_their_spans(settings, tracing, spans):
    async with open_database(settings.database, name="test", tracer=tracing.tracer) as database:
        with span(tracing.tracer, "request", SpanKind.SERVER, {}):
            assert [row.word for row in await database.reads.all(WORD, word=CANARY)] == [CANARY]
    assert spans.named("SELECT").parent.span_id == spans.named("request").context.span_id
    assert CANARY not in seen(spans)


async def test_an_attempt_that_takes_too_long_is_a_span_that_says_so(tracing, spans):
    with pytest.raises(httpx.ReadTimeout):
        await call(tracing, Upstream(5.0), attempt_timeout_s=0.05, retries_max=0)
    assert spans.named("GET").attributes["error.type"] == "httpx.ReadTimeout"


async def test_a_call_that_no_request_asked_for_makes_no_span_and_tells_the_sibling_so(tracing, spans):
    upstream = Upstream(200)
    retrying = Retrying(upstream, timeout_s=1, attempt_timeout_s=1, retries_max=0, tracer=tracing.tracer)
    await retrying.handle_async_request(httpx.Request("GET", "http://users/"))
    (traceparent,) = upstream.traceparents
    assert int(traceparent[-2:], 16) % 2 == 0
    assert spans.all == []


async def test_statements_that_fail_and_statements_of_many_rows_have_their_spans(settings, tracing, spans):
    rows = [{"consumer": CANARY, "subject": str(new_id()), "sequence": 1} for _ in range(2)]
    async with open_database(settings.database, name="test", tracer=tracing.tracer) as database:
        with span(tracing.tracer, "request", SpanKind.SERVER, {}):
            async with database.transaction() as session:
                await session.execute(insert(inbox_sequences), rows)
            with pytest.raises(DBAPIError):
                async with database.transaction() as session:
                    await session.execute(text("\n  select 1 / CAST(:zero AS int)"), {"zero": 0})
        async with database.transaction() as session:
            # Outside of any trace.
            await session.execute(insert(inbox_sequences), [row | {"subject": str(new_id())} for row in rows])
            assert len((await session.execute(text("SELECT * FROM inbox_sequences"))).all()) == 4
    assert spans.named("INSERT").attributes["db.query.text"].startswith("INSERT INTO inbox_sequences")
    failed = spans.named("SELECT")
    assert failed.attributes["db.operation.name"] == "SELECT"
    assert failed.attributes["error.type"].endswith("Error")
    assert failed.status.status_code is StatusCode.ERROR
    assert len(spans.all) == 3
    assert CANARY not in seen(spans)


async def two_deliveries(spans):
    found = [span for span in spans.all if span.name == "process thing.made"]
    return found if len(found) == 2 else None


async def test_each_delivery_of_an_event_is_a_span_and_tells_why_it_failed(
    database, tracing, spans, becomes, admin, monkeypatch, logs
):
    monkeypatch.setattr("core.events.queues.leases.BACKOFF_S_MAX", 0.01)
    handlers, attempts = Handlers(), []

    @handlers.on("thing.made")
    async def fails_once(_event, _resources):
        attempts.append(1)
        if len(attempts) == 1:
            raise ConnectionError(f"password={CANARY}")

    catalogue = Catalogue.of("example", handlers=[handlers])
    outbox = catalogue.outbox(SystemClock(), tracing.tracer)
    with span(tracing.tracer, "request", SpanKind.SERVER, {}):
        async with database.transaction() as session:
            await outbox.events(session).emit("thing.made", subject="s", data={})
    inbox = Inbox("example", database, catalogue.subscriptions)
    async with Supervisor() as tasks:
        relay = Relay(
            service="example", database=database, types=["thing.made"], own=inbox, bus=None, awake=outbox.awake
        )
        tasks.start("relay", relay.run)
        tasks.start("dispatcher", Dispatcher(inbox=inbox, resources=None, tracer=tracing.tracer).run)
        first, second = await becomes(lambda: two_deliveries(spans))
    assert {each.parent.span_id for each in (first, second)} == {spans.named("publish thing.made").context.span_id}
    assert (first.status.status_code, second.status.status_code) == (StatusCode.ERROR, StatusCode.UNSET)
    assert [event.attributes["exception.type"] for event in first.events] == ["ConnectionError"]
    assert CANARY not in seen(spans)
    (line,) = (line for line in logs if line["event"] == "event not handled")
    assert line["span_id"] == f"{first.context.span_id:016x}"
