"""One request more than the process may work on is told at once to come back; a probe is not."""

import asyncio

import pytest
from bare import WEB_ORIGIN, bare
from pydantic import BaseModel

from core.testing import problem
from core.testing.open_router import OpenRouter


class Ok(BaseModel):
    """Nothing to say."""

    ok: bool = True


class Gate:
    """A handler that waits until it is let go."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.inside = asyncio.Semaphore(0)
        self.router = OpenRouter(prefix="/v1/gate", tags=["gate"])
        self.router.get("")(self.wait)

    async def wait(self) -> Ok:
        self.inside.release()
        await self.open.wait()
        return Ok()


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def app(gate):
    return bare(gate.router, server={"concurrency_max": 2})


async def test_one_too_many_is_told_to_come_back(anywhere, gate, requests):
    running = [asyncio.create_task(anywhere.get("/v1/gate")) for _ in range(2)]
    for _ in running:
        await gate.inside.acquire()

    refused = await anywhere.get("/v1/gate", headers={"Origin": WEB_ORIGIN})
    assert problem(refused) == (503, "too_busy")
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["access-control-allow-origin"] == WEB_ORIGIN
    for probe in ("/livez", "/readyz", "/startupz"):
        assert (await anywhere.get(probe)).status_code == 200
    assert problem(await anywhere.get("/v1/livez")) == (503, "too_busy")

    gate.open.set()
    assert [(await answered).status_code for answered in running] == [200, 200]
    assert (await anywhere.get("/v1/gate")).status_code == 200
    assert [line["status"] for line in requests()] == [503, 200, 200, 200, 503, 200, 200, 200]


async def test_a_request_that_fails_or_is_cancelled_gives_its_place_back(anywhere, gate):
    for _ in range(3):
        late = asyncio.create_task(anywhere.get("/v1/gate"))
        await asyncio.sleep(0.02)
        late.cancel()
        await asyncio.wait([late])
        assert (await anywhere.get("/v1/nothing-here")).status_code == 404
