"""An application called in this process behaves as it would behind a server."""

import asyncio
from contextvars import ContextVar

import httpx
import pytest

from core.client import InProcess

bound: ContextVar[str | None] = ContextVar("bound", default=None)


def answering(body=b"", *, status=200, headers=(), more=None):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": status, "headers": list(headers)})
        await send({"type": "http.response.body", "body": body, "more_body": more is not None})
        if more is not None:
            await send({"type": "http.response.body", "body": more})

    return app


def client(app, state=None):
    transport = InProcess(app) if state is None else InProcess(app, state)
    return httpx.AsyncClient(transport=transport, base_url="http://billing")


async def test_status_headers_and_the_whole_body_come_back():
    headers = [(b"content-type", b"text/plain"), (b"link", b"<a>"), (b"link", b"<b>")]
    async with client(answering(b"one, ", status=201, headers=headers, more=b"two")) as billing:
        response = await billing.get("/")
    assert (response.status_code, response.text) == (201, "one, two")
    assert response.headers.get_list("link") == ["<a>", "<b>"]
    assert response.http_version == "HTTP/1.1"


async def test_the_application_sees_what_a_server_would_show_it():
    seen = {}

    async def app(scope, receive, send):
        seen.update(scope, message=await receive())
        await answering()(scope, receive, send)

    async with client(app) as billing:
        await billing.post("/v1/a%20b?c=%20d", content=b"hello", headers={"X-Thing": "1"})
    assert (seen["type"], seen["method"], seen["scheme"], seen["root_path"]) == ("http", "POST", "http", "")
    assert (seen["path"], seen["raw_path"], seen["query_string"]) == ("/v1/a b", b"/v1/a%20b", b"c=%20d")
    assert seen["message"] == {"type": "http.request", "body": b"hello", "more_body": False}
    assert (b"x-thing", b"1") in seen["headers"]
    assert (b"host", b"billing") in seen["headers"]


async def test_a_body_that_is_produced_piece_by_piece_arrives_whole():
    received = []

    async def app(scope, receive, send):
        received.append((await receive())["body"])
        await answering()(scope, receive, send)

    async def pieces():
        yield b"one, "
        yield b"two"

    async with client(app) as billing:
        await billing.post("/", content=pieces())
    assert received == [b"one, two"]


async def test_a_head_request_has_no_body_and_keeps_the_length():
    async with client(answering(b"12345", headers=[(b"content-length", b"5")])) as billing:
        response = await billing.head("/")
    assert (response.content, response.headers["content-length"]) == (b"", "5")


async def test_each_request_has_a_copy_of_the_state():
    counted = []

    async def app(scope, receive, send):
        scope["state"]["counter"] += 1
        counted.append(scope["state"]["counter"])
        await answering()(scope, receive, send)

    state = {"counter": 0}
    async with client(app, state) as billing:
        await billing.get("/")
        await billing.get("/")
    assert (counted, state) == ([1, 1], {"counter": 0})


async def test_an_application_without_a_lifespan_has_an_empty_state():
    states = []

    async def app(scope, receive, send):
        states.append(scope["state"])
        await answering()(scope, receive, send)

    async with client(app) as billing:
        await billing.get("/")
    assert states == [{}]


async def test_context_goes_neither_in_nor_out():
    seen = []

    async def app(scope, receive, send):
        seen.append(bound.get())
        bound.set("the application's")
        await answering()(scope, receive, send)

    bound.set("the caller's")
    async with client(app) as billing:
        await billing.get("/")
        await billing.get("/")
    assert (seen, bound.get()) == ([None, None], "the caller's")


async def test_an_error_that_escapes_the_application_is_the_callers_to_see():
    async def app(scope, receive, send):
        raise ZeroDivisionError

    async with client(app) as billing:
        with pytest.raises(ZeroDivisionError):
            await billing.get("/")


async def test_an_application_that_does_not_answer_is_a_broken_connection():
    async def app(scope, receive, send):
        pass

    async with client(app) as billing:
        with pytest.raises(httpx.RemoteProtocolError):
            await billing.get("/")


async def test_an_answer_that_is_cut_short_is_a_broken_connection():
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"one, ", "more_body": True})

    async with client(app) as billing:
        with pytest.raises(httpx.RemoteProtocolError):
            await billing.get("/")


async def test_messages_that_are_no_part_of_the_answer_are_passed_over():
    async def app(scope, receive, send):
        await send({"type": "http.response.debug", "info": {}})
        await answering(b"ok")(scope, receive, send)

    async with client(app) as billing:
        assert (await billing.get("/")).text == "ok"


async def test_the_caller_disconnects_only_after_the_answer():
    messages = []

    async def app(scope, receive, send):
        await receive()
        waiting = asyncio.create_task(receive())
        await asyncio.sleep(0)
        messages.append(waiting.done())
        await answering()(scope, receive, send)
        messages.append(await waiting)

    async with client(app) as billing:
        await billing.get("/")
    assert messages == [False, {"type": "http.disconnect"}]


async def test_a_caller_that_gives_up_cancels_the_work_and_waits_for_its_clean_up():
    events, began = [], asyncio.Event()

    async def app(scope, receive, send):
        began.set()
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            events.append("cleaned up")

    async with client(app) as billing:
        calling = asyncio.create_task(billing.get("/"))
        await began.wait()
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        events.append("caller goes on")
    assert events == ["cleaned up", "caller goes on"]
