"""One trace through services that share a process: whose span is below whose, and what the logs say of it."""

import asyncio

import pytest
from shop import Settings, build

from core.clock import SystemClock
from core.events import Event
from core.events.spans import process_span
from core.ids import new_id
from core.ports import Ports
from core.testing import problem, running
from core.tracing import current_traceparent


@pytest.fixture
def handled(spans, becomes):
    """`await handled()`: both services have handled the event."""

    async def over():
        return spans.has("process thing.made", "shop") and spans.has("process thing.made", "front")

    return lambda: becomes(over)


async def test_a_request_a_call_and_an_event_are_one_trace(client, spans, handled):
    assert (await client.post("/front/v1/orders/chair")).status_code == 204
    await handled()
    assert spans.tree() == {
        ("front", "POST /front/v1/orders/{name}", None),
        ("front", "POST", "POST /front/v1/orders/{name}"),
        ("shop", "POST /shop/v1/things/{name}", "POST"),
        ("shop", "SELECT", "POST /shop/v1/things/{name}"),
        ("shop", "publish thing.made", "POST /shop/v1/things/{name}"),
        ("shop", "INSERT", "publish thing.made"),
        ("shop", "process thing.made", "publish thing.made"),
        ("shop", "UPDATE", "process thing.made"),
        ("shop", "SELECT", "process thing.made"),
        ("front", "process thing.made", "publish thing.made"),
        ("front", "UPDATE", "process thing.made"),
        ("front", "SELECT", "process thing.made"),
    }
    assert len({span.context.trace_id for span in spans.all}) == 1


async def test_a_span_says_whose_it_is_and_what_it_was(client, spans, handled):
    await client.post("/front/v1/orders/chair", headers={"X-Request-ID": "req-1"})
    await handled()
    entrance = spans.named("POST /front/v1/orders/{name}")
    resource = entrance.resource.attributes
    assert (resource["service.version"], resource["deployment.environment.name"]) == ("0", "local")
    assert resource["service.instance.id"]
    assert entrance.attributes["http.route"] == "/front/v1/orders/{name}"
    assert entrance.attributes["http.response.status_code"] == 204
    assert entrance.attributes["http.response.header.x-request-id"] == ("req-1",)
    assert entrance.attributes["client.address"] == "127.0.0.1"
    call = spans.named("POST").attributes
    assert (call["http.request.method"], call["server.address"], call["url.full"]) == (
        "POST",
        "gateway.test",
        "http://gateway.test/shop/v1/things/chair",
    )
    assert (call["http.response.status_code"], call["server.port"]) == (204, 80)
    published = spans.named("publish thing.made").attributes
    for service in ("shop", "front"):
        event = spans.named("process thing.made", service).attributes
        assert event["messaging.destination.name"] == "thing.made"
        assert event["messaging.message.id"] == published["messaging.message.id"]
        assert event["messaging.consumer.group.name"] == "shop.count"


async def test_a_statement_is_shown_without_its_values(client, spans):
    assert (await client.get("/shop/v1/things/chair")).json() == {"word": "chair"}
    await client.post("/shop/v1/things/table")
    texts = {span.attributes["db.query.text"] for span in spans.all if "db.query.text" in span.attributes}
    assert {"SELECT $1::VARCHAR AS word", "SELECT CAST($1 AS text)"} <= texts
    assert {span.attributes["db.system.name"] for span in spans.all if span.name == "SELECT"} == {"postgresql"}


async def test_lines_of_a_traced_request_and_of_its_event_lead_to_the_trace(client, spans, handled, logs):
    await client.post("/front/v1/orders/chair")
    await handled()
    trace_id = f"{spans.named('POST').context.trace_id:032x}"
    entrance = spans.named("POST /front/v1/orders/{name}")
    told = {(line["event"], line["service.name"]): line for line in logs if line.get("trace_id") == trace_id}
    of_requests = {("made", "shop"), ("request", "shop"), ("request", "front")}
    assert told.keys() == of_requests | {("counted", "shop"), ("counted", "front")}
    assert told["request", "front"]["span_id"] == f"{entrance.context.span_id:016x}"
    for service in ("shop", "front"):
        delivery = spans.named("process thing.made", service)
        assert told["counted", service]["span_id"] == f"{delivery.context.span_id:016x}"
    for line in told.values():
        assert (line["service.version"], line["deployment.environment.name"]) == ("0", "local")


async def test_a_problem_names_the_trace_of_its_request(client, spans, hosted):
    response = await client.get("/shop/v1/nothing")
    assert problem(response) == (404, "not_found")
    assert response.json()["trace_id"] == f"{spans.named('GET').context.trace_id:032x}"


async def test_a_problem_of_an_untraced_request_names_none(hosted, logs):
    async with hosted(shop={"tracing": {"ratio": 0}}) as client:
        response = await client.get("/shop/v1/nothing")
    assert "trace_id" not in response.json()
    assert not [line for line in logs if "trace_id" in line or "span_id" in line]


async def test_requests_at_once_have_traces_of_their_own(client, spans):
    names = [f"thing-{number}" for number in range(20)]
    await asyncio.gather(*(client.get(f"/shop/v1/things/{name}") for name in names))
    entrances = {span.context.span_id: span for span in spans.all if span.name.startswith("GET")}
    statements = [span for span in spans.all if span.name == "SELECT"]
    assert len({span.context.trace_id for span in entrances.values()}) == len(names)
    assert sorted(span.parent.span_id for span in statements) == sorted(entrances)
    for span in statements:
        assert span.context.trace_id == entrances[span.parent.span_id].context.trace_id


async def test_an_application_that_starts_again_is_traced_again(given, spans):
    app = build("shop", Settings(**given("shop")), Ports(span_processors=[spans.processor]))
    for _ in range(2):
        spans.clear()
        async with running(app) as client:
            await client.get("/v1/things/chair")
        assert spans.tree() == {
            ("shop", "GET /v1/things/{name}", None),
            ("shop", "SELECT", "GET /v1/things/{name}"),
        }


async def test_an_event_that_nobody_traces_is_handled_without_a_span(hosted, spans, logs, becomes):
    def counted():
        return [line for line in logs if line["event"] == "counted"]

    async with hosted(shop={"tracing": {"ratio": 0}}, front={"tracing": {"ratio": 1}}) as client:
        await client.post("/shop/v1/things/chair")
        await becomes(lambda: asyncio.sleep(0, len(counted()) == 2))
    assert spans.all == []
    assert {line["service.name"] for line in counted()} == {"shop", "front"}
    assert not [line for line in counted() if "trace_id" in line]


async def test_what_the_handler_of_such_an_event_emits_carries_no_trace_either(given, spans):
    app = build("front", Settings(**given("front")), Ports(span_processors=[spans.processor]))
    event = Event(
        id=new_id(), type="thing.made", source="shop", subject="s", sequence=1, time=SystemClock().now(), data={}
    )
    async with running(app):
        with process_span(app.tracing.tracer, event, "count"):
            assert current_traceparent() is None
