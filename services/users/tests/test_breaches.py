"""Passwords that have leaked elsewhere: what is asked, and what happens when nobody answers."""

import asyncio
import hashlib
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from core.testing import problem, running

PASSWORD = "plum tractor orbit velvet"
DIGEST = hashlib.sha1(PASSWORD.encode(), usedforsecurity=False).hexdigest().upper()
PREFIX, SUFFIX = DIGEST[:5], DIGEST[5:]
OTHER = "0" * 35


@dataclass
class RangeApi:
    """A server of leaked passwords, as far as it is one: it keeps what it was sent, byte by byte."""

    answer: str | None = ""
    status: str = "200 OK"
    url: str = ""
    asked: list[str] = field(default_factory=list)

    async def serve(self, reader, writer):
        # None of it, if the client is gone before.
        with suppress(asyncio.IncompleteReadError):
            self.asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        if self.answer is not None:
            head = f"HTTP/1.1 {self.status}\r\nContent-Length: {len(self.answer)}\r\nConnection: close\r\n\r\n"
            writer.write((head + self.answer).encode())
            await writer.drain()
        else:
            await reader.read()
        writer.close()


@pytest.fixture
async def api():
    api = RangeApi()
    server = await asyncio.start_server(api.serve, "127.0.0.1", 0)
    api.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/range"
    yield api
    server.close()


@pytest.fixture
async def asking(build, api):
    """A client of the service that asks it, and waits for the answer however busy the machine is."""
    async with running(await build(passwords={"breaches_url": api.url, "breaches_timeout_s": 10})) as client:
        yield client


async def register(client, password=PASSWORD):
    return await client.post("/v1/users", json={"email": "ada@example.com", "password": password})


@pytest.mark.parametrize("listed", [f"{SUFFIX}:1", f"{OTHER}:7\r\n{SUFFIX}:42\r\n", f"{SUFFIX.lower()}:3"])
async def test_a_password_that_has_leaked_is_refused(asking, api, rows, listed):
    api.answer = listed
    response = await register(asking)
    assert problem(response) == (422, "password_breached")
    assert [error["pointer"] for error in response.json()["errors"]] == ["#/password"]
    assert not await rows("SELECT 1 FROM users")


@pytest.mark.parametrize("listed", ["", f"{OTHER}:42", f"{SUFFIX}:0", f"{SUFFIX[:-1]}:5", "<html>"])
async def test_one_that_has_not_is_accepted_and_padding_is_none(asking, api, listed):
    api.answer = listed
    assert (await register(asking)).status_code == 202


async def test_five_characters_of_its_digest_are_all_that_leaves(asking, api):
    await register(asking)
    [asked] = api.asked
    first, *headers = asked.lower().split("\r\n")
    assert first == f"get /range/{PREFIX.lower()} http/1.1"
    assert "add-padding: true" in headers
    assert SUFFIX.lower()[:6] not in asked.lower()
    for kept in ("ada", "example.com", "plum", "x-request-id"):
        assert kept not in asked.lower()


async def test_what_is_weak_is_refused_without_asking(asking, api):
    assert problem(await register(asking, "passwordpassword")) == (422, "weak_password")
    assert api.asked == []


@pytest.mark.parametrize("status", ["503 Service Unavailable", "302 Found", "404 Not Found"])
async def test_nobody_is_kept_from_choosing_a_password_by_a_service_that_fails(asking, api, logs, status):
    api.answer, api.status = f"{SUFFIX}:1", status
    assert (await register(asking)).status_code == 202
    assert "password_breaches_unanswered_total 1.0" in (await asking.get("/metrics")).text
    [told] = [line for line in logs if line.get("event") == "leaked passwords could not be looked up"]
    assert (told["level"], told["reason"]) == ("warning", "HTTPStatusError")


async def test_nor_by_one_that_does_not_answer_in_time(build, api, logs):
    api.answer = None
    async with running(await build(passwords={"breaches_url": api.url, "breaches_timeout_s": 0.05})) as client:
        assert (await register(client)).status_code == 202
    [told] = [line for line in logs if line.get("event") == "leaked passwords could not be looked up"]
    assert told["reason"].endswith("Timeout")


async def test_nor_by_one_that_is_not_there(build):
    async with running(await build(passwords={"breaches_url": "http://127.0.0.1:9/range"})) as client:
        assert (await register(client)).status_code == 202


async def test_nobody_is_asked_unless_the_settings_say_whom(client, api):
    api.answer = f"{SUFFIX}:1"
    assert (await register(client)).status_code == 202
    assert api.asked == []
