"""The users service under test: hashes that cost little, a clock that tests move, and people to test it with."""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from typing import Any

import asyncpg
import httpx
import jwt
import pytest
from fastapi import FastAPI

from core.database import Query, page_parameters
from core.dependencies.resources import STATE
from core.ids import format_id, new_id
from core.lifespan import started
from core.mail import Delivered
from core.ports import Ports
from core.resources import Resources
from core.services import Service
from core.testing import MovableClock
from core.tokens.keys import generate_key, public_jwk
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
def plan(rows: Rows) -> Callable[..., Awaitable[str]]:
    """`await plan(query, status="active")`: how PostgreSQL would find the first page."""

    async def run(query: Query[Any], *, newest_first: bool = False, **filters: Any) -> str:
        arguments = query.arguments(filters | page_parameters(None, 20, newest_first=newest_first))
        return str(await rows(f"EXPLAIN {query.sql}", *arguments))

    return run


@pytest.fixture
def build(settings: Settings, ports: Ports) -> Callable[..., Awaitable[FastAPI]]:
    """`await build(sessions={"refresh_leeway_s": 0})`: the application with some settings changed."""

    async def run(**groups: dict[str, Any]) -> FastAPI:
        changed = {name: getattr(settings, name).model_copy(update=update) for name, update in groups.items()}
        # In a thread, because building reads files, and a process builds before its loop runs.
        return await asyncio.to_thread(create_app, settings.model_copy(update=changed), ports)

    return run


@pytest.fixture
async def resources(build: Callable[..., Awaitable[FastAPI]]) -> AsyncIterator[Resources]:
    """What jobs and commands are given."""
    async with started(await build(), name="users") as state:
        yield state[STATE]


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
def staff(join: Callable[[str], Awaitable[Person]], rows: Rows) -> Callable[[str, str], Awaitable[Person]]:
    """`await staff("admin@example.com", "admin")`: somebody who has that role, and is signed in."""

    async def run(email: str, role: str) -> Person:
        somebody = await join(email)
        await rows("UPDATE users SET roles = ARRAY['user', $2] WHERE address = $1", email, role)
        await somebody.sign_in()
        return somebody

    return run


@pytest.fixture
async def admin(staff: Callable[[str, str], Awaitable[Person]]) -> Person:
    """Somebody who may do everything, and is signed in."""
    return await staff("admin@example.com", "admin")


@pytest.fixture
def commits_fail(rows: Rows) -> Callable[[str], Awaitable[None]]:
    """`await commits_fail("credentials")`: from now on, whatever writes to that table fails at the very end."""

    async def run(table: str) -> None:
        await rows(
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'at commit'; END $$"
        )
        await rows(
            f"CREATE CONSTRAINT TRIGGER fail AFTER INSERT OR UPDATE OR DELETE ON {table} "
            "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail()"
        )

    return run


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


@dataclass
class Machine:
    """A machine client, with its secret or its private key."""

    client: httpx.AsyncClient
    id: str
    issuer: str
    secret: str | None = None
    key: Any = None

    def assertion(self, *, header: dict[str, Any] | None = None, key: Any = None, **claims: Any) -> str:
        """What proves that it has its key, with some claims replaced, or left out where they are None."""
        now = int(time.time())
        usual = {"iss": self.id, "sub": self.id, "aud": self.issuer, "iat": now, "exp": now + 60}
        said = {
            name: each for name, each in (usual | {"jti": secrets.token_hex(8)} | claims).items() if each is not None
        }
        return jwt.encode(said, key or self.key, "ES256", headers=header)

    def proof(self, **changes: Any) -> dict[str, Any]:
        """What a request is sent with: a header, or parameters of the form."""
        if self.secret is not None:
            return {"auth": (self.id, self.secret)}
        type_ = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        return {"data": {"client_assertion_type": type_, "client_assertion": self.assertion(**changes)}}

    async def ask(self, **form: str) -> httpx.Response:
        """Asks for a token."""
        proof = self.proof()
        data = {"grant_type": "client_credentials", **proof.pop("data", {}), **form}
        return await self.client.post("/v1/oauth/token", data=data, **proof)

    async def headers(self, **form: str) -> dict[str, str]:
        """The header of a request that it makes, with a new token."""
        return {"Authorization": f"Bearer {(await self.ask(**form)).json()['access_token']}"}


@pytest.fixture
def machine(client: httpx.AsyncClient, rows: Rows, settings: Settings) -> Callable[..., Awaitable[Machine]]:
    """`await machine("users:read")`: a client with a secret and these scopes; with `with_key=True`, one with a key."""

    async def run(*scopes: str, with_key: bool = False) -> Machine:
        new, key = new_id(), generate_key() if with_key else None
        secret = None if with_key else secrets.token_urlsafe(32)
        await rows(
            "INSERT INTO service_clients (id, name, scopes, secret_digest, public_jwk, created_at)"
            " VALUES ($1, $2, $3, $4, $5, now())",
            new,
            f"machine-{new}",
            scopes,
            None if secret is None else sha256(secret.encode()).digest(),
            None if key is None else json.dumps(public_jwk(key)),
        )
        return Machine(client, format_id("svc", new), settings.public_url, secret, key)

    return run
