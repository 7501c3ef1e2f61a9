"""Which requests are traced: a share that is drawn, unless a caller who is believed has decided it."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from bare import Wire, nothing_to_open
from opentelemetry.trace import SpanKind
from starlette.requests import Request

from core.application import ChassisApp, chassis
from core.lifespan import started
from core.settings import ChassisSettings
from core.testing import SERVICE_URL, running
from core.testing.open_router import OpenRouter
from core.tracing import current_traceparent
from core.tracing.sdk import Entrances

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
EDGE, STRANGER = ("10.0.0.1", 50_000), ("192.0.2.7", 50_000)

router = OpenRouter(prefix="/v1/traces", tags=["traces"])


@router.get("")
async def passed_on(request: Request) -> str | None:
    """What this request would tell a sibling."""
    return current_traceparent()


Build = Callable[..., ChassisApp]


@pytest.fixture
def build(spans) -> Build:
    """`build(ratio=0.5, trusted_proxies=…)`: a service in production whose spans are kept."""

    def make(*, ratio: float = 0, heard: bool = True, environment: str = "production", **server: Any) -> ChassisApp:
        settings = ChassisSettings(
            environment=environment, public_url=SERVICE_URL, tracing={"ratio": ratio}, server=server
        )
        heard_by = [spans.processor] if heard else []
        return chassis("example", settings, routers=[router], lifespan=nothing_to_open, span_processors=heard_by)

    return make


async def ask(app: ChassisApp, traceparent: str | None = None, *, client=STRANGER, path="/v1/traces", **more) -> Wire:
    """One request, of that address."""
    headers = [(b"host", b"service.test")]
    headers += [(b"traceparent", traceparent.encode())] if traceparent else []
    headers += [(name.encode(), value.encode()) for name, value in more.items()]
    wire = Wire(app, "GET", path, client=client, headers=headers)
    async with started(app, name="example"):
        await wire.start()
    assert wire.is_whole
    return wire


async def test_a_share_of_the_requests_is_traced(build, spans, monkeypatch):
    draws = iter([0.0, 0.25, 0.3, 0.99])
    monkeypatch.setattr("core.tracing.provider._draw", lambda: next(draws))
    async with running(build(ratio=0.3)) as client:
        for _ in range(4):
            await client.get("/v1/traces")
    assert len(spans.all) == 2


async def test_a_draw_leaves_the_random_numbers_of_others_alone(build):
    before = random.getstate()
    await ask(build(ratio=0.5, heard=False))
    assert random.getstate() == before


@pytest.mark.parametrize(("ratio", "number"), [(0, 0), (1, 5)])
async def test_none_and_all_are_meant_literally(build, spans, ratio, number):
    async with running(build(ratio=ratio)) as client:
        for _ in range(5):
            await client.get("/v1/traces")
    assert len(spans.all) == number


# Bit 0 says whether the caller keeps it; bit 1, beside it, that its id is random.
@pytest.mark.parametrize(
    ("flags", "ratio", "traced"), [("01", 0, True), ("03", 0, True), ("00", 1, False), ("02", 1, False)]
)
async def test_a_caller_that_is_believed_decides(build, spans, logs, flags, ratio, traced):
    traceparent = f"00-{TRACE}-{SPAN}-{flags}"
    wire = await ask(build(ratio=ratio, trusted_proxies=["10.0.0.0/8"]), traceparent, client=EDGE)
    assert len(spans.all) == traced
    for span in spans.all:
        assert (f"{span.context.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, SPAN)
    assert [line.get("trace_id") for line in logs] == [TRACE if traced else None]
    # What is not recorded here is passed on as it came.
    assert TRACE in wire.body.decode()
    assert (traceparent in wire.body.decode()) is not traced


@pytest.mark.parametrize("client", [STRANGER, None, ("not an address", 1)])
@pytest.mark.parametrize(("ratio", "number"), [(0, 0), (1, 1)])
async def test_a_stranger_decides_nothing_and_joins_no_trace(build, spans, logs, client, ratio, number):
    app = build(ratio=ratio, trusted_proxies=["10.0.0.0/8"])
    wire = await ask(app, f"00-{TRACE}-{SPAN}-01", client=client, tracestate="a=b", baggage="user=1")
    assert len(spans.all) == number
    assert TRACE not in wire.body.decode()
    for span in spans.all:
        assert (span.parent, f"{span.context.trace_id:032x}" == TRACE) == (None, False)
    assert [line["event"] for line in logs] == ["request"]
    # Nothing of it is seen further in.
    assert {name for name, _ in wire.scope["headers"]} == {b"host"}


async def test_without_proxies_to_trust_nobody_is_believed(build, spans):
    await ask(build(), f"00-{TRACE}-{SPAN}-01", client=EDGE)
    assert spans.all == []


async def test_on_a_laptop_everybody_is_believed(build, spans):
    await ask(build(environment="local"), f"00-{TRACE}-{SPAN}-01")
    assert len(spans.all) == 1


@pytest.mark.parametrize(
    "traceparent",
    [
        "",
        "nothing of the kind",
        f"00-{TRACE}-{SPAN}",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        "\xff" * 600,
    ],
)
async def test_what_is_no_traceparent_is_as_if_it_were_not_there(build, spans, traceparent):
    async with running(build(environment="local", ratio=1)) as client:
        response = await client.get("/v1/traces", headers={"traceparent": traceparent.encode("latin-1")})
    assert response.status_code == 200
    (span,) = spans.all
    assert span.parent is None


async def test_two_callers_at_once_are_none(build, spans):
    """W3C Trace Context knows one `traceparent` a request."""
    app = build(trusted_proxies=["10.0.0.0/8"])
    line = (b"traceparent", f"00-{TRACE}-{SPAN}-01".encode())
    async with started(app, name="example"):
        await Wire(app, "GET", "/v1/traces", client=EDGE, headers=[(b"host", b"service.test"), line, line]).start()
    assert not spans.all


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/startupz", "/metrics", "/docs", "/openapi.json"])
@pytest.mark.parametrize("root_path", ["", "/example"])
async def test_what_is_asked_for_all_day_is_not_traced(build, spans, path, root_path):
    app = build(environment="local", ratio=1)
    wire = Wire(app, "GET", f"{root_path}{path}", root_path=root_path)
    async with started(app, name="example") as state:
        wire.scope["state"] = dict(state)
        wire.scope["headers"] = [(b"host", b"service.test"), (b"traceparent", f"00-{TRACE}-{SPAN}-01".encode())]
        await wire.start()
    assert wire.status == 200
    assert spans.all == []


async def test_where_nobody_listens_the_trace_of_the_caller_is_passed_on(build):
    traceparent = f"00-{TRACE}-{SPAN}-01"
    wire = await ask(build(heard=False, environment="local", ratio=1), traceparent)
    assert wire.body.decode() == f'"{traceparent}"'
    # Not even FastAPI does anything.
    assert wire.scope["fastapi.telemetry"] is None


async def test_a_request_leaves_nothing_in_the_context_of_whoever_made_it(build):
    app = build(heard=False, environment="local")
    wire = Wire(app, "GET", "/v1/traces", headers=[(b"traceparent", f"00-{TRACE}-{SPAN}-01".encode())])
    async with started(app, name="example"):
        await app(wire.scope, wire.arriving.get, wire._send)
    assert (TRACE in wire.body.decode(), current_traceparent()) == (True, None)


@pytest.mark.parametrize(("ratio", "names"), [(0, []), (1, ["GET /inner/v1/traces"])])
async def test_an_application_within_another_leaves_the_span_to_it(build, spans, ratio, names):
    """Mounted by Starlette, not by the chassis: the outer one has decided."""
    inner, outer = build(ratio=1 - ratio), build(ratio=ratio)
    outer.mount("/inner", inner)
    async with running(outer) as client:
        assert (await client.get("/inner/v1/traces")).status_code == 200
    assert [span.name for span in spans.all] == names


async def test_what_ends_after_the_lifespan_is_told_to_nobody(build, spans):
    app = build(ratio=1)
    async with running(app):
        assert app.tracing.is_open
        late = app.tracing.tracer.start_span("late", kind=SpanKind.SERVER)
    late.end()
    assert (app.tracing.is_open, spans.all) == (False, [])


async def test_an_unsampled_request_makes_no_span_anywhere(hosted, spans, admin, becomes):
    """Nor does the service that it calls, which would draw again, or the handler of its event."""
    async with hosted(front={"tracing": {"ratio": 0}}, shop={"tracing": {"ratio": 1}}) as client:
        assert (await client.post("/front/v1/orders/chair")).status_code == 204
        await becomes(lambda: admin.fetchval("SELECT sent_at FROM outbox"))
        assert spans.all == []
        await client.post("/shop/v1/things/chair")
        assert spans.has("publish thing.made")


async def test_the_event_of_an_unsampled_request_carries_no_trace(hosted, admin):
    async with hosted(shop={"tracing": {"ratio": 0}}) as client:
        await client.post("/shop/v1/things/chair")
        assert await admin.fetchval("SELECT traceparent FROM outbox") is None


def test_the_sampler_has_a_name_to_show():
    assert Entrances(1).get_description() == "Entrances"
