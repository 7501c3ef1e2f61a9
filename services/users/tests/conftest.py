"""The users service under test: hashes that cost little, a clock that tests move, and people to test it with."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from core.mail import Delivered
from core.ports import Ports
from core.services import Service
from core.testing import MovableClock
from users.app import create_app
from users.settings import Settings

PASSWORD = "plum tractor orbit velvet"
MAIL_TIMEOUT_S = 30
# In one snapshot: an event is in the inbox before it has left the outbox.
WAITING = "SELECT 1 FROM outbox WHERE sent_at IS NULL UNION ALL SELECT 1 FROM inbox WHERE handled_at IS NULL"

Rows = Callable[..., Awaitable[list[dict[str, Any]]]]


@pytest.fixture(scope="session")
def service() -> Service:
    return Service("users", "users.app")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    cheap = settings.passwords.model_copy(update={"hash_memory_kib": 8, "hash_iterations": 1})
    return settings.model_copy(update={"passwords": cheap})


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def ports(clock: MovableClock) -> Ports:
    return Ports(clock=clock)


@pytest.fixture
async def rows(database_url: str) -> AsyncIterator[Rows]:
    """`await rows("SELECT …", value)`: what the database has, as the test sees it from outside."""
    connection = await asyncpg.connect(database_url)
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=str, decoder=json.loads)

    async def run(statement: str, *values: object) -> list[dict[str, Any]]:
        return [dict(record) for record in await connection.fetch(statement, *values)]

    yield run
    await connection.close()


@pytest.fixture
def build(settings: Settings, ports: Ports) -> Callable[..., Awaitable[FastAPI]]:
    """`await build(sessions={"refresh_leeway_s": 0})`: the application with some settings changed."""

    async def run(**groups: dict[str, Any]) -> FastAPI:
        changed = {name: getattr(settings, name).model_copy(update=update) for name, update in groups.items()}
        # In a thread, because building reads files, and a process builds before its loop runs.
        return await asyncio.to_thread(create_app, settings.model_copy(update=changed), ports)

    return run


@dataclass(frozen=True)
class Post:
    """The mail that has been delivered, once no event waits."""

    mailbox: Callable[..., list[Delivered]]
    rows: Rows

    async def to(self, address: str) -> list[Delivered]:
        """Every mail to an address, the newest first."""
        async with asyncio.timeout(MAIL_TIMEOUT_S):
            while await self.rows(WAITING):  # noqa: ASYNC110 - it happens elsewhere
                await asyncio.sleep(0.01)
        return await asyncio.to_thread(self.mailbox, to=address)

    async def token_for(self, address: str) -> str:
        """The token of the newest mail to an address."""
        token = (await self.to(address))[0].message.token
        assert token
        return token


@pytest.fixture
def post(mailbox: Callable[..., list[Delivered]], rows: Rows) -> Post:
    return Post(mailbox, rows)


@dataclass
class Person:
    """Somebody with an account, and the tokens of their newest session."""

    client: httpx.AsyncClient
    email: str
    password: str = PASSWORD
    id: str = ""
    tokens: dict[str, Any] = field(default_factory=dict)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens['access_token']}"}

    async def sign_in(self, **more: str) -> httpx.Response:
        body = {"email": self.email, "password": self.password, **more}
        response = await self.client.post("/v1/sessions", json=body)
        if response.status_code == 201:
            self.tokens = response.json()
        return response

    async def refresh(self, refresh_token: str | None = None) -> httpx.Response:
        body = {"refresh_token": refresh_token or self.tokens["refresh_token"]}
        response = await self.client.post("/v1/sessions/refresh", json=body)
        if response.status_code == 200:
            self.tokens |= response.json()
        return response


@pytest.fixture
def person(client: httpx.AsyncClient) -> Callable[..., Person]:
    """`person("ada@example.com", "her password")`: somebody who may or may not have an account."""
    return partial(Person, client)


@pytest.fixture
def join(client: httpx.AsyncClient, post: Post) -> Callable[[str], Awaitable[Person]]:
    """`await join("ada@example.com")`: registered, verified, and not signed in."""

    async def run(email: str) -> Person:
        await client.post("/v1/users", json={"email": email, "password": PASSWORD})
        token = await post.token_for(email)
        confirmed = await client.post("/v1/email-verifications/confirm", json={"token": token})
        return Person(client, email, id=confirmed.json()["id"])

    return run


@pytest.fixture
async def ada(join: Callable[[str], Awaitable[Person]]) -> Person:
    """Somebody with a verified account, who is not signed in."""
    return await join("ada@example.com")


@pytest.fixture
def same() -> Callable[..., bool]:
    """`same(*responses)`: whether nobody could tell these answers apart but by their request ids and times."""
    return _same


def _same(*responses: httpx.Response) -> bool:
    def told(response: httpx.Response) -> tuple[object, ...]:
        body = response.json()
        named = {name: value for name, value in body.items() if name not in ("instance", "request_id")}
        headers = {name for name in response.headers if name not in ("x-request-id", "server-timing")}
        return response.status_code, named, headers

    return len({repr(told(response)) for response in responses}) == 1
