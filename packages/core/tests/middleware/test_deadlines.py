"""A request that takes too long is ended, its work undone; one whose answer has begun is left alone."""

import asyncio

import httpx
import pytest
from bare import Wire, bare
from fastapi import BackgroundTasks, Request
from pydantic import BaseModel
from sqlalchemy import text

from core.client import InProcess
from core.dependencies import Session
from core.middleware.in_flight import SWEEP_INTERVAL_S
from core.routing import Router, register
from core.testing import problem, running
from core.testing.open_router import OpenRouter

TIMEOUT_S = 0.15


class Ok(BaseModel):
    """Nothing to say."""

    ok: bool = True


class Journal:
    """What happened in a handler, told to its test."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.asked_to_end = asyncio.Event()
        self.router = OpenRouter(prefix="/v1/work", tags=["work"])
        self.router.get("/slow")(self.slow)
        self.router.get("/stubborn")(self.stubborn)
        self.router.get("/background")(self.background)

    async def slow(self) -> Ok:
        try:
            await asyncio.sleep(60)
        finally:
            self.said.append("ended")
        return Ok()

    async def stubborn(self) -> Ok:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.said.append("asked to end")
            self.asked_to_end.set()
            await asyncio.sleep(0.1)
        return Ok()

    async def background(self, tasks: BackgroundTasks, request: Request) -> Ok:
        async def later() -> None:
            # Its time is up now, and it goes on until that must have been noticed.
            for late in request.app.deadlines.requests.values():
                late.deadline = 0
            await asyncio.sleep(SWEEP_INTERVAL_S * 3)
            self.said.append("done")

        tasks.add_task(later)
        return Ok()


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture
def app(journal):
    return bare(journal.router)


@pytest.fixture
def impatient(app) -> None:
    """Every request is late soon."""
    app.deadlines.timeout_s = TIMEOUT_S


async def test_late_work_is_cancelled_and_told(impatient, anywhere, journal):
    began = asyncio.get_running_loop().time()
    response = await anywhere.get("/v1/work/slow")
    took = asyncio.get_running_loop().time() - began
    assert problem(response) == (504, "timed_out")
    assert took >= TIMEOUT_S
    assert journal.said == ["ended"]


async def test_a_task_in_which_a_request_was_late_can_go_on(app, journal):
    """As a connection's task would: the next request in it is none the worse."""
    async with running(app):

        async def one_after_the_other() -> list[int | None]:
            statuses = []
            for path, timeout_s in (("/v1/work/slow", TIMEOUT_S), ("/livez", 30)):
                app.deadlines.timeout_s = timeout_s
                wire = Wire(app, "GET", path)
                wire.arrive()
                await app(wire.scope, wire.arriving.get, wire._send)
                statuses.append(wire.status)
            return statuses

        task = asyncio.create_task(one_after_the_other())
        assert await task == [504, 200]
        assert task.cancelling() == 0


async def test_work_after_the_answer_is_not_late(anywhere, journal):
    response = await anywhere.get("/v1/work/background")
    assert (response.status_code, journal.said) == (200, ["done"])


async def test_a_handler_that_answers_all_the_same_is_heard(impatient, anywhere, journal):
    response = await anywhere.get("/v1/work/stubborn")
    assert (response.status_code, journal.said) == (200, ["asked to end"])


async def test_who_is_cancelled_for_another_reason_is_not_told_that_it_was_late(app, journal):
    async with running(app):
        wire = Wire(app, "GET", "/v1/work/slow")
        wire.arrive()
        task = wire.start()
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (wire.sent, journal.said) == ([], ["ended"])
        assert app.deadlines.requests == {}


async def test_who_is_late_and_cancelled_as_well_is_cancelled(impatient, app, journal):
    async with running(app):
        wire = Wire(app, "GET", "/v1/work/stubborn")
        wire.arrive()
        task = wire.start()
        await journal.asked_to_end.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert wire.sent == []


def calling(inner, *, by_hand: bool) -> Router:
    """A handler that calls another application, over a transport or in its own task."""
    router = OpenRouter(prefix="/v1/calls", tags=["calls"])

    @router.get("")
    async def call(path: str, request: Request) -> Ok:
        if by_hand:
            wire = Wire(inner or request.app, "GET", path)
            wire.arrive()
            await wire.app(wire.scope, wire.arriving.get, wire._send)
            return Ok(ok=wire.status == 200)
        async with httpx.AsyncClient(transport=InProcess(inner), base_url="http://inner.test") as client:
            return Ok(ok=(await client.get(path)).is_success)

    return router


@pytest.mark.parametrize("by_hand", [False, True])
async def test_a_callee_that_is_late_first_answers_its_caller(journal, by_hand):
    inner = bare(journal.router, name="inner", server={"request_timeout_s": TIMEOUT_S})
    async with running(inner), running(bare(calling(inner, by_hand=by_hand))) as client:
        response = await client.get("/v1/calls?path=/v1/work/slow")
    assert (response.status_code, response.json(), journal.said) == (200, {"ok": False}, ["ended"])


@pytest.mark.parametrize("by_hand", [False, True])
async def test_a_caller_that_is_late_ends_the_call(journal, requests, by_hand):
    inner = bare(journal.router, name="inner")
    outer = bare(calling(inner, by_hand=by_hand), server={"request_timeout_s": TIMEOUT_S})
    async with running(inner), running(outer) as client:
        assert problem(await client.get("/v1/calls?path=/v1/work/slow")) == (504, "timed_out")
    assert journal.said == ["ended"]
    assert [(line["service.name"], line["status"]) for line in requests()] == [("inner", 0), ("example", 504)]


async def test_a_call_of_an_application_to_itself_runs_under_one_deadline(journal, requests):
    app = bare(journal.router, calling(None, by_hand=True))
    async with running(app) as client:
        assert (await client.get("/v1/calls?path=/livez")).json() == {"ok": True}
        app.deadlines.timeout_s = TIMEOUT_S
        assert problem(await client.get("/v1/calls?path=/v1/work/slow")) == (504, "timed_out")
    assert app.deadlines.requests == {}


async def test_late_work_is_rolled_back_and_its_connection_is_free_again(service, settings, ports, database):
    work = OpenRouter(prefix="/v1/late", tags=["late"])

    @work.post("")
    async def write(session: Session) -> Ok:
        await session.execute(text("CREATE TABLE late ()"))
        await session.execute(text("SELECT pg_sleep(60)"))
        return Ok()

    one_connection = settings.database.model_copy(update={"pool_size": 1})
    app = service.create_app(settings.model_copy(update={"database": one_connection}), ports)
    register(app, work)
    app.deadlines.timeout_s = TIMEOUT_S
    async with running(app) as client:
        for _ in range(2):
            assert problem(await client.post("/v1/late")) == (504, "timed_out")
        app.deadlines.timeout_s = 30
        assert (await client.get("/readyz")).status_code == 200
    async with database.transaction() as session:
        assert await session.scalar(text("SELECT to_regclass('late') IS NULL"))
