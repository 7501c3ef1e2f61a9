"""The billing service under test, and people who buy from it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from core.client import InProcess
from core.dependencies.resources import STATE
from core.idempotency import Claims
from core.ids import format_id, new_id
from core.lifespan import started
from core.opening import LOCAL_ISSUER
from core.ports import Ports
from core.resources import Resources
from core.services import Service
from core.testing import SERVICE_URL, MovableClock
from core.tokens import LocalKey, sign_access_token

Rows = Callable[..., Awaitable[list[dict[str, Any]]]]


@pytest.fixture(scope="session")
def service() -> Service:
    return Service("billing", "billing.app")


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def ports(clock: MovableClock) -> Ports:
    return Ports(clock=clock)


@pytest.fixture
async def state(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    """What the running application has opened."""
    async with started(app, name="billing") as opened:
        yield opened


@pytest.fixture
def resources(state: dict[str, Any]) -> Resources:
    return state[STATE]


@pytest.fixture
async def client(app: FastAPI, state: dict[str, Any]) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application whose resources the test has, too."""
    async with httpx.AsyncClient(transport=InProcess(app, state), base_url=SERVICE_URL) as made:
        yield made


@pytest.fixture
async def rows(database_url: str) -> AsyncIterator[Rows]:
    """`await rows("SELECT …", value)`: what the database has, as the test sees it from outside."""
    async with AsyncExitStack() as stack:
        opened: list[asyncpg.Connection] = []

        async def run(statement: str, *values: object) -> list[dict[str, Any]]:
            if not opened:
                opened.append(await asyncpg.connect(database_url))
                stack.push_async_callback(opened[0].close)
            return [dict(record) for record in await opened[0].fetch(statement, *values)]

        yield run


@dataclass(frozen=True)
class Person:
    """Somebody who is signed in."""

    client: httpx.AsyncClient
    headers: dict[str, str]

    async def get(self, path: str, **parameters: object) -> httpx.Response:
        return await self.client.get(path, headers=self.headers, params=parameters)

    async def post(self, path: str, body: object = None, *, key: str | None = "") -> httpx.Response:
        """Posts under an Idempotency-Key: a new one, the one given, or with None under none."""
        keyed = {} if key is None else {"Idempotency-Key": key or str(uuid4())}
        return await self.client.post(path, json=body, headers=self.headers | keyed)

    async def add_card(self, token: str = "pm_card_visa", **more: object) -> str:
        """The id of a new payment method."""
        response = await self.post("/v1/payment-methods", {"provider_token": token, **more})
        assert response.status_code == 201, response.text
        return response.json()["id"]

    async def subscribe(self, price: dict[str, Any], *, key: str = "", **more: object) -> dict[str, Any]:
        """A new subscription."""
        response = await self.post("/v1/subscriptions", {"price_id": price["id"], **more}, key=key)
        assert response.status_code == 201, response.text
        return response.json()


@pytest.fixture
def person(client: httpx.AsyncClient, signed_in: Callable[..., dict[str, str]]) -> Callable[..., Person]:
    """`person("catalog:write")`: somebody new, with these scopes."""
    return lambda *scopes: Person(client, signed_in(*scopes))


@pytest.fixture
def keeper(person: Callable[..., Person]) -> Person:
    """Who keeps the catalog and the books."""
    return person("catalog:write", "billing:read")


@pytest.fixture
def buyer(person: Callable[..., Person]) -> Person:
    """Somebody who has no payment method yet."""
    return person()


@pytest.fixture
async def payer(person: Callable[..., Person]) -> Person:
    """Somebody with a card that works."""
    somebody = person()
    await somebody.add_card()
    return somebody


@pytest.fixture
def make_price(keeper: Person) -> Callable[..., Awaitable[dict[str, Any]]]:
    """`await make_price(unit_amount="999")`: a price of a plan of its own; unless it is said otherwise, 10 EUR a month."""

    async def make(**terms: object) -> dict[str, Any]:
        plan = (await keeper.post("/v1/plans", {"name": "Team"})).json()
        usual = {"model": "per_unit", "unit_amount": "1000", "currency": "EUR", "interval": "month"}
        response = await keeper.post(f"/v1/plans/{plan['id']}/prices", usual | terms)
        assert response.status_code == 201, response.text
        return response.json()

    return make


@pytest.fixture
async def price(make_price: Callable[..., Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    """10 EUR a month for each piece."""
    return await make_price()


@pytest.fixture
async def unpaid(person: Callable[..., Person], price: dict[str, Any]) -> tuple[Person, dict[str, Any]]:
    """Somebody whose card was declined, and the subscription that waits for its first payment."""
    somebody = person()
    await somebody.add_card("pm_card_visa_chargeDeclined")
    return somebody, await somebody.subscribe(price)


@pytest.fixture
def machine(resources: Resources, tmp_path: Path) -> dict[str, str]:
    """The header of a caller that is no user."""
    key = LocalKey.open(tmp_path, environment="local")
    token = sign_access_token(
        key=key.private,
        kid=key.kid,
        issuer=LOCAL_ISSUER,
        audience=["api"],
        subject=format_id("svc", new_id()),
        client_id="tests",
        session_id=None,
        scopes=(),
        roles=(),
        auth_time=None,
        now=datetime.now(UTC),
        lifetime=timedelta(minutes=5),
    )
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def on_record(rows: Rows) -> Callable[[], Awaitable[dict[str, list[str]]]]:
    """`await on_record()`: the states of all that a purchase leaves, and those of the provider's own books."""

    async def run() -> dict[str, list[str]]:
        tables = ("subscriptions", "invoices", "payments", "sandbox_charges")
        found = {table: await rows(f"SELECT status FROM {table}") for table in tables}  # noqa: S608 - the names above
        return {table: [row["status"] for row in statuses] for table, statuses in found.items()}

    return run


class ProcessDied(Exception):
    """Stands for a kill -9."""


@pytest.fixture
def crash(monkeypatch: pytest.MonkeyPatch) -> Callable[[type, str], Callable[[], None]]:
    """`restart = crash(Sandbox, "charge")`: the process dies when it comes to this step, until `restart()`."""

    async def die(*_: object, **__: object) -> None:
        raise ProcessDied

    async def nothing(*_: object) -> None:
        """A process that is gone does not give back its claim."""

    def plant(kind: type, step: str) -> Callable[[], None]:
        monkeypatch.setattr(Claims, "release", nothing)
        monkeypatch.setattr(kind, step, die)
        return monkeypatch.undo

    return plant
