"""500 routes in 50 routers: what a request costs by where its route stands, against FastAPI's own search."""

import uvloop
from starlette.types import ASGIApp

from bench import bare, chassis
from bench.asking import Request, asking
from bench.figures import Group, Ratio, Samples, Target
from bench.rounds import Call, in_turn
from bench.wiring import log_that_is_read
from core.lifespan import started


def run() -> Samples:
    """Measures all subjects in turn."""
    with log_that_is_read():
        return uvloop.run(_run())


async def _run() -> Samples:
    ours = chassis.create_wide_app()
    async with started(ours, name="wide"):
        subjects = {**await _of("chassis", ours), **await _of("FastAPI", bare.create_wide_app())}
        return await in_turn(subjects, rounds=40, calls=25)


async def _of(name: str, app: ASGIApp) -> dict[str, Call]:
    return {
        f"{name}, first": await asking(app, Request("GET", "/v1/domain-0/things-0/7"), status=200),
        f"{name}, last": await asking(app, Request("GET", "/v1/domain-49/things-9/7"), status=200),
        f"{name}, 404": await asking(app, Request("GET", "/v1/domain-49/nothing/7"), status=404),
    }


GROUP = Group(
    title="Routing among 500 routes in 50 routers, in process",
    unit="µs",
    run=run,
    figures=[
        Ratio("last route", "chassis, last", "chassis, first", Target(1.1)),
        Ratio("unknown path", "chassis, 404", "chassis, first", Target(1.0)),
        Ratio("last route, FastAPI's own search", "FastAPI, last", "FastAPI, first"),
        Ratio("unknown path, FastAPI's own search", "FastAPI, 404", "FastAPI, first"),
        Ratio("last route, full chain", "chassis, last", "FastAPI, last"),
    ],
)
