"""The profile of the chain: what a small GET costs less when one layer is left out."""

from contextlib import AsyncExitStack
from unittest.mock import patch

import uvloop
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from starlette.middleware import Middleware

import core.application.app
from bench import bare, chassis
from bench.asking import Request, asking
from bench.figures import Difference, Group, Samples
from bench.rounds import Call, in_turn
from bench.wiring import log_that_is_read
from core.application import ChassisApp
from core.lifespan import started
from core.telemetry.exchange import Exchange, Identity
from core.telemetry.logs import access_line

# Edge last: the others rest on the exchange that it makes.
LAYERS = ("Cors", "CatchAll", "InFlight", "Guard", "Edge")
SMALL_GET = Request("GET", "/users/7")
ALL, EDGE_ALONE, NONE, LINE, NOTHING = "all", "Edge alone", "no layer", "access line", "nothing"


def run() -> Samples:
    """Measures the whole chain, and each that lacks a layer, in turn."""
    with log_that_is_read():
        return uvloop.run(_run())


async def _run() -> Samples:
    async with AsyncExitStack() as stack:
        subjects: dict[str, Call] = {"bare": await asking(bare.create_app(), SMALL_GET, status=200)}
        others = LAYERS[:-1]
        apps = {ALL: without(), EDGE_ALONE: without(*others), NONE: without(*LAYERS)}
        apps |= {layer: without(layer) for layer in others}
        for name, app in apps.items():
            await stack.enter_async_context(started(app, name=name))
            subjects[name] = await asking(app, SMALL_GET, status=200)
        subjects[LINE] = _access_line
        subjects[NOTHING] = _nothing
        return await in_turn(subjects, rounds=30, calls=400)


def without(*layers: str) -> ChassisApp:
    """The measured application without these layers."""
    app = chassis.create_app()
    whole = core.application.app.layers

    def some(*args, **options):  # noqa: ANN002, ANN003, ANN202 - whatever the application passes to `layers`, and gets from it
        left = [each for each in whole(*args, **options) if _name(each) not in layers]
        # Without Edge nobody knows of a request what FormFiles asks: FastAPI's own does not ask.
        return left if "Edge" not in layers else [*left[:-1], Middleware(AsyncExitStackMiddleware)]

    with patch.object(core.application.app, "layers", some):
        app.middleware_stack = app.build_middleware_stack()
    return app


def _name(layer: Middleware) -> str:
    return getattr(layer.cls, "__name__", "")


async def _access_line() -> None:
    access_line(_EXCHANGE, 0.001)


async def _nothing() -> None:
    """What it costs to call at all."""


_EXCHANGE = Exchange(
    service=Identity("bench", "0", "production"), request_id="0" * 32, method="GET", client="192.0.2.7"
)
_EXCHANGE.route, _EXCHANGE.status = "/users/{user_id}", 200

GROUP = Group(
    title="The profile of the chain: a small GET, layer by layer",
    unit="µs",
    run=run,
    figures=[
        Difference("Edge, with all that is sent", EDGE_ALONE, NONE),
        *(Difference(layer, ALL, layer) for layer in LAYERS[:-1]),
        Difference("all layers", ALL, NONE),
        Difference("of Edge: rendering and queueing the access line", LINE, NOTHING),
        Difference("the rest of FastAPI, under the index, against bare FastAPI", NONE, "bare"),
    ],
)
