"""The billing service under test, open for all tests, and people who buy from it."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from core.client import InProcess
from core.dependencies.resources import STATE
from core.events import Event, Replay
from core.events.bus import LocalBus
from core.idempotency import Claims
from core.ids import format_id, new_id, parse_id
from core.lifespan import started
from core.opening import LOCAL_ISSUER
from core.ports import Ports
from core.resources import Resources
from core.services import Service
from core.settings import merged
from core.testing import SERVICE_URL, MovableClock
from core.testing.databases import TemplateDatabase
from core.tokens import LocalKey, sign_access_token

Rows = Callable[..., Awaitable[list[dict[str, Any]]]]


@pytest.fixture(scope="session")
def service() -> Service:
    return Service("billing", "billing.app")


@dataclass(frozen=True)
class Person:
    """Somebody who is signed in."""

    client: httpx.AsyncClient
    subject: str
    headers: dict[str, str]

    async def get(self, path: str, **parameters: str | int) -> httpx.Response:
        return await self.client.get(path, headers=self.headers, params=parameters)

    async def post(self, path: str, body: object = None, *, key: str | None = "") -> httpx.Response:
        """Posts under an Idempotency-Key: a new one, the one given, or with None under none."""
        keyed = {} if key is None else {"Idempotency-Key": key or str(uuid4())}
        return await self.client.post(path, json=body, headers=self.headers | keyed)

    async def all(self, path: str, *, limit: int = 100) -> list[dict[str, Any]]:
        """Every row of a list, page by page."""
        found: list[dict[str, Any]] = []
        parameters: dict[str, str | int] = {"limit": limit}
        while True:
            page = (await self.get(path, **parameters)).json()
            found += page["data"]
            if page["next_cursor"] is None:
                return found
            parameters["cursor"] = page["next_cursor"]

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


@dataclass(frozen=True)
class Shop:
    """The running service. Its tests share it, and each buys as somebody new: an hour of real trade in one database."""

    client: httpx.AsyncClient
    resources: Resources
    clock: MovableClock
    key: LocalKey
    database: asyncpg.Connection
    # By which it hears of what other services announce.
    bus: LocalBus
    replays: Sequence[Replay]

    def person(self, *scopes: str, kind: str = "usr") -> Person:
        """Somebody new, with these scopes; `svc` is no user."""
        subject, now, is_user = format_id(kind, new_id()), datetime.now(UTC), kind == "usr"
        token = sign_access_token(
            key=self.key.private,
            kid=self.key.kid,
            issuer=LOCAL_ISSUER,
            audience=["api"],
            subject=subject,
            client_id="tests",
            session_id=new_id() if is_user else None,
            scopes=scopes,
            roles=(),
            auth_time=now if is_user else None,
            now=now,
            lifetime=timedelta(minutes=5),
        )
        return Person(self.client, subject, {"Authorization": f"Bearer {token}"})


Open = Callable[[dict[str, Any]], AbstractAsyncContextManager[Shop]]


@pytest.fixture(scope="session")
def open_shop(
    service: Service, templates: Callable[[Service], TemplateDatabase], tmp_path_factory: pytest.TempPathFactory
) -> Open:
    """`async with open_shop({"settle_after_s": 1}) as shop`: the running service on a database of its own."""
    template = templates(service)

    @asynccontextmanager
    async def open_(settings: dict[str, Any]) -> AsyncGenerator[Shop]:
        folder, name, clock = tmp_path_factory.mktemp("shop"), await template.copy(), MovableClock()
        bus, url = LocalBus(), template.postgres.url(name)
        usual = {
            "environment": "local",
            "public_url": SERVICE_URL,
            "database": {"url": url, "pool_size": 5, "read_pool_size": 2},
            "data_dir": str(folder),
            # Later than any test ends: what is left open stays open.
            "settle_after_s": 3600,
        }
        ports = Ports(clock=clock, bus=bus)
        app = service.create_app(service.settings.model_validate(merged(usual, settings)), ports)
        key, database = LocalKey.open(folder, environment="local"), await asyncpg.connect(url)
        async with (
            started(app, name="billing") as state,
            httpx.AsyncClient(transport=InProcess(app, state), base_url=SERVICE_URL) as client,
        ):
            yield Shop(client, state[STATE], clock, key, database, bus, app.catalogue.replays)
        await database.close()
        await template.drop(name)

    return open_


@pytest.fixture(scope="session")
async def shared_shop(open_shop: Open) -> AsyncIterator[Shop]:
    async with open_shop({}) as shop:
        yield shop


@pytest.fixture(scope="module")
async def shop(request: pytest.FixtureRequest, open_shop: Open, shared_shop: Shop) -> AsyncIterator[Shop]:
    """The service: all modules share one, but a module that has SETTINGS, which has one of its own."""
    if not hasattr(request.module, "SETTINGS"):
        yield shared_shop
        return
    async with open_shop(request.module.SETTINGS) as own:
        yield own


@pytest.fixture
def clock(shop: Shop) -> Iterator[MovableClock]:
    """The business clock; the next test finds it at the present again."""
    yield shop.clock
    shop.clock.current = datetime.now(UTC)


@pytest.fixture
def rows(shop: Shop) -> Rows:
    """`await rows("SELECT …", value)`: what the database has, as the test sees it from outside."""

    async def run(statement: str, *values: object) -> list[dict[str, Any]]:
        return [dict(record) for record in await shop.database.fetch(statement, *values)]

    return run


@pytest.fixture
def person(shop: Shop) -> Callable[..., Person]:
    """`person("catalog:write")`: somebody new, with these scopes."""
    return shop.person


@pytest.fixture
def nobody(shop: Shop) -> Person:
    """Somebody who is not signed in."""
    return Person(shop.client, "", {})


@pytest.fixture
def machine(shop: Shop) -> Person:
    """A caller that is no user."""
    return shop.person(kind="svc")


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


@pytest.fixture(scope="module")
def make_price(shop: Shop) -> Callable[..., Awaitable[dict[str, Any]]]:
    """`await make_price(unit_amount="999")`: a price of a plan of its own; 10 EUR a month if nothing else is said."""
    keeper = shop.person("catalog:write")

    async def make(**terms: object) -> dict[str, Any]:
        plan = (await keeper.post("/v1/plans", {"name": "Team"})).json()
        usual = {"model": "per_unit", "unit_amount": "1000", "currency": "EUR", "interval": "month"}
        response = await keeper.post(f"/v1/plans/{plan['id']}/prices", usual | terms)
        assert response.status_code == 201, response.text
        return response.json()

    return make


@pytest.fixture(scope="module")
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
def told() -> Callable[..., Event]:
    """`event = told(buyer, "user.activated", 2)`: what users announces, and has still to be published."""

    def make(person: Person, type_: str, sequence: int, **more: str) -> Event:
        return Event(
            id=new_id(),
            type=type_,
            source="users",
            subject=person.subject,
            sequence=sequence,
            time=datetime.now(UTC),
            data={"id": person.subject, **more},
        )

    return make


@pytest.fixture(scope="module")
def polled_often() -> Iterator[None]:
    """What is due is looked for often."""
    with pytest.MonkeyPatch.context() as patch:
        # By its whole name: the room gives its function the same one.
        patch.setattr(import_module("core.events.queues.polling"), "POLL_S_MAX", 0.1)
        yield


@pytest.fixture
def on_record(rows: Rows) -> Callable[[Person], Awaitable[dict[str, list[str]]]]:
    """`await on_record(buyer)`: the states of all that somebody's purchases left, and those of the provider's books."""
    sources = {
        "subscriptions": "subscriptions s JOIN customers c ON c.id = s.customer_id",
        "invoices": "invoices s JOIN customers c ON c.id = s.customer_id",
        "payments": "payments s JOIN invoices i ON i.id = s.invoice_id JOIN customers c ON c.id = i.customer_id",
        "charges": "sandbox_charges s JOIN payments p ON p.id = s.payment_id JOIN invoices i ON i.id = p.invoice_id"
        " JOIN customers c ON c.id = i.customer_id",
    }

    async def run(person: Person) -> dict[str, list[str]]:
        user_id, found = parse_id("usr", person.subject), {}
        for name, source in sources.items():
            statement = f"SELECT s.status FROM {source} WHERE c.user_id = $1 ORDER BY s.created_at"  # noqa: S608 - ours
            found[name] = [row["status"] for row in await rows(statement, user_id)]
        return found

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
