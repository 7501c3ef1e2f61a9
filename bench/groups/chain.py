"""The full chain around small requests, in process, against bare FastAPI and against the blueprint."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvloop
from starlette.types import ASGIApp

from bench import bare, blueprint, chassis
from bench.asking import Request, asking
from bench.figures import Control, Difference, Group, Ratio, Samples, Target
from bench.rounds import Call, in_turn
from bench.wiring import collector, log_that_is_read
from core.lifespan import started

TRACED_RATIO = 0.01


def run() -> Samples:
    """Measures all subjects in turn."""
    with log_that_is_read():
        return uvloop.run(_run())


async def _run() -> Samples:
    app, traced, inside = chassis.create_app(), chassis.create_app(ratio=TRACED_RATIO), chassis.create_app()
    host = chassis.mounted(inside)
    plain, again, theirs = bare.create_app(), bare.create_app(), blueprint.create_app()
    # The spans of each go where the environment said when it started.
    async with started(app, name="app"), started(host, name="host"), _traced(traced):
        subjects: dict[str, Call] = {
            "bare": await _get(plain),
            "bare, again": await _get(again),
            "bare, include_router": await _get(bare.create_app(included=True)),
            "blueprint": await _get(theirs),
            "chassis": await _get(app),
            "chassis, 1 % traced": await _get(traced),
            "chassis, mounted": await _get(host, "/bench"),
            "bare POST": await _post(plain),
            "blueprint POST": await _post(theirs),
            "chassis POST": await _post(app),
            "bare 422": await _wrong_post(plain),
            "chassis 422": await _wrong_post(app),
            "bare 404": await _unknown(plain),
            "chassis 404": await _unknown(app),
        }
        return await in_turn(subjects, rounds=30, calls=400)


@asynccontextmanager
async def _traced(app: ASGIApp) -> AsyncIterator[None]:
    with collector():
        async with started(app, name="traced"):
            yield


async def _get(app: ASGIApp, below: str = "") -> Call:
    return await asking(app, Request("GET", f"{below}/users/7"), status=200)


async def _post(app: ASGIApp) -> Call:
    return await asking(app, Request("POST", "/orders", bare.ORDER), status=201)


async def _wrong_post(app: ASGIApp) -> Call:
    return await asking(app, Request("POST", "/orders", bare.WRONG_ORDER), status=422)


async def _unknown(app: ASGIApp) -> Call:
    return await asking(app, Request("GET", "/nowhere"), status=404)


GROUP = Group(
    title="The chain, in process",
    unit="µs",
    run=run,
    control=Control("bare, again", "bare", deviation_max=0.03),
    figures=[
        Ratio("small GET, full chain", "chassis", "bare", Target(1.25)),
        Ratio("small GET, full chain", "chassis", "bare, include_router"),
        Ratio("small GET, full chain", "chassis", "blueprint", Target(0.45)),
        Ratio("small GET, the blueprint", "blueprint", "bare"),
        Ratio("mounted", "chassis, mounted", "chassis", Target(1.10)),
        Ratio("1 % traced", "chassis, 1 % traced", "chassis", Target(1.05)),
        Difference("1 % traced, more by (either will do)", "chassis, 1 % traced", "chassis", Target(3)),
        Ratio("POST with six fields", "chassis POST", "bare POST"),
        Ratio("POST with six fields", "chassis POST", "blueprint POST"),
        Ratio("invalid POST, answered 422", "chassis 422", "bare 422"),
        Ratio("unknown path, answered 404", "chassis 404", "bare 404"),
    ],
)
