"""What a handler may ask for, as a handler gets it."""

from collections.abc import AsyncIterator
from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI
from pydantic import BaseModel
from sqlalchemy import text

from core.dependencies import ClockDep, RequestKey, ResourcesDep, SettingsDep, idempotent, requires
from core.dependencies.identity import scopes_of
from core.ports import Ports
from core.routing import register
from core.testing import MovableClock, problem, running
from core.testing.open_router import OpenRouter
from core.tokens import Principal

router = OpenRouter(prefix="/v1/tests", tags=["tests"])


class Said(BaseModel):
    text: str


@router.get("/clock")
async def say_when(clock: ClockDep, settings: SettingsDep) -> Said:
    return Said(text=f"{clock.now():%Y} {settings.environment}")


@router.get("/catalog")
async def write_catalog(caller: Annotated[Principal, Depends(requires("catalog:write"))]) -> Said:
    return Said(text=caller.subject)


@router.post("/steps")
@idempotent
async def work_in_steps(key: RequestKey, resources: ResourcesDep) -> Said:
    """Breaks after its first step, and goes on from there when it is asked again."""
    async with resources.database.transaction() as session:
        step = {"key": str(key)}
        begun = await session.scalar(text("SELECT count(*) FROM inbox_sequences WHERE subject = :key"), step)
        if not begun:
            await session.execute(text("INSERT INTO inbox_sequences VALUES ('first step', :key, 1)"), step)
    if not begun:
        raise RuntimeError("broken between two steps")
    return Said(text="went on")


@pytest.fixture
def ports(request: pytest.FixtureRequest) -> Ports:
    return Ports(clock=MovableClock(MovableClock().now().replace(year=2030, day=1)))


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    register(app, router)
    async with running(app) as standalone:
        yield standalone


async def test_clock_and_settings_are_those_of_the_service(client):
    assert (await client.get("/v1/tests/clock")).json() == {"text": "2030 local"}


async def test_a_token_without_the_scope_is_refused(client, signed_in):
    refused = await client.get("/v1/tests/catalog", headers=signed_in("catalog:read"))
    assert problem(refused) == (403, "insufficient_scope")
    accepted = await client.get("/v1/tests/catalog", headers=signed_in("catalog:read", "catalog:write"))
    assert accepted.status_code == 200


def test_the_scopes_of_routes_are_known():
    assert scopes_of(router.routes) == {"catalog:write"}


async def test_work_in_steps_goes_on_under_the_same_key(client, signed_in):
    headers = {**signed_in(subject="usr_01h455vb4pex5vsknk084sn02q"), "Idempotency-Key": "key"}
    assert problem(await client.post("/v1/tests/steps", headers=headers))[0] == 500
    assert (await client.post("/v1/tests/steps", headers=headers)).json() == {"text": "went on"}
