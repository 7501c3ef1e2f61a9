"""The billing service under test, open for all tests, and people who buy from it."""

import json
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from billing.biller.dependencies import build as build_biller
from billing.collection.dependencies import build, build_unattended
from billing.invoices.rules import Item
from billing.payments.provider import open_sandbox
from billing.subscriptions.dependencies import build_renewing
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
from core.testing.databases import TemplateDatabase, served
from core.tokens.local import LocalKey
from core.tokens.signing import sign_access_token

sys.path.insert(0, str(Path(__file__).parent))

from books import assert_agreed, assert_unspoiled

Rows = Callable[..., Awaitable[list[dict[str, Any]]]]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("billing").addoption("--subscriptions", type=int, help="How many live through the year; 50.")


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
        keyed = {} if key is None else {"Idempotency-Key": key or str(new_id())}
        return await self.client.post(path, json=body, headers=self.headers | keyed)

    async def patch(
        self, path: str, body: object, *, key: str | None = "", if_match: str | None = "*"
    ) -> httpx.Response:
        """Changes what has this ETag, whichever it has if nothing is said; under a key as `post`."""
        keyed = {} if key is None else {"Idempotency-Key": key or str(new_id())}
        conditional = {} if if_match is None else {"If-Match": if_match}
        return await self.client.patch(path, json=body, headers=self.headers | keyed | conditional)

    async def all(self, path: str, *, limit: int = 100, **filters: str) -> list[dict[str, Any]]:
        """Every row of a list, page by page."""
        found: list[dict[str, Any]] = []
        parameters: dict[str, str | int] = {"limit": limit, **filters}
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
            # As long as a year of trade takes.
            lifetime=timedelta(hours=3),
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
            # On a slow machine many wait long for a connection.
            "database": {"url": served(url), "pool_size": 5, "read_pool_size": 2, "pool_timeout_s": 10},
            "data_dir": str(folder),
            # Later than any test ends: what is left open stays open.
            "settle_after_s": 3600,
        }
        ports = Ports(clock=clock, bus=bus)
        app = service.create_app(service.settings.model_validate(merged(usual, settings)), ports)
        # No job runs by itself: what is due is billed when a test says so.
        app.jobs = ()
        key, database = LocalKey.open(folder, environment="local"), await asyncpg.connect(url)
        try:
            async with (
                started(app, name="billing") as state,
                httpx.AsyncClient(transport=InProcess(app, state), base_url=SERVICE_URL) as client,
            ):
                yield Shop(client, state[STATE], clock, key, database, bus, app.catalogue.replays)
                # Whatever the tests have done to it.
                await assert_unspoiled(database)
        finally:
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
def run_biller(shop: Shop) -> Callable[[], Awaitable[None]]:
    """`await run_biller()`: a run of the biller, to its end."""
    return partial(build_biller(shop.resources).run, within_s=60)


@pytest.fixture
def rows(shop: Shop) -> Rows:
    """`await rows("SELECT …", value)`: what the database has, as the test sees it from outside."""

    async def run(statement: str, *values: object) -> list[dict[str, Any]]:
        return [dict(record) for record in await shop.database.fetch(statement, *values)]

    return run


@pytest.fixture
def books(shop: Shop) -> Callable[[], Awaitable[None]]:
    """`await books()`: every invariant of the books holds; it is so at the end of every shop, too."""
    return partial(assert_unspoiled, shop.database)


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
def bookkeeper(person: Callable[..., Person]) -> Person:
    """Who writes invoices and reads everybody's."""
    return person("billing:write", "billing:read")


@pytest.fixture
def draft(bookkeeper: Person) -> Callable[..., Awaitable[dict[str, Any]]]:
    """`await draft(buyer, "100 12.12 0.25", …)`: a one-off invoice of quantities, unit amounts and tax rates."""

    async def write(buyer: Person, *lines: str, currency: str = "EUR") -> dict[str, Any]:
        customer = (await buyer.get("/v1/customers/me")).json()
        begun = await bookkeeper.post("/v1/invoices", {"customer_id": customer["id"], "currency": currency})
        assert begun.status_code == 201, begun.text
        path = f"/v1/invoices/{begun.json()['id']}"
        for quantity, unit_amount, tax_rate in (line.split() for line in lines):
            line = {"description": "Work", "quantity": quantity, "unit_amount": unit_amount, "tax_rate": tax_rate}
            added = await bookkeeper.post(f"{path}/lines", line)
            assert added.status_code == 201, added.text
        return (await bookkeeper.get(path)).json()

    return write


@pytest.fixture
def bill(
    bookkeeper: Person, draft: Callable[..., Awaitable[dict[str, Any]]]
) -> Callable[..., Awaitable[dict[str, Any]]]:
    """The same, finalized: `await bill(buyer, "1 1000 0.21")`."""

    async def write(buyer: Person, *lines: str, currency: str = "EUR") -> dict[str, Any]:
        begun = await draft(buyer, *lines, currency=currency)
        response = await bookkeeper.post(f"/v1/invoices/{begun['id']}/finalize")
        assert response.status_code == 200, response.text
        return response.json()

    return write


@pytest.fixture
def paid(bill: Callable[..., Awaitable[dict[str, Any]]]) -> Callable[..., Awaitable[dict[str, Any]]]:
    """The same, paid by them: `await paid(payer, "1 1000 0.21")`."""

    async def write(buyer: Person, *lines: str) -> dict[str, Any]:
        invoice = await bill(buyer, *lines)
        response = await buyer.post(f"/v1/invoices/{invoice['id']}/pay")
        assert response.status_code == 200, response.text
        return response.json()

    return write


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

    async def make(*, entitlements: Mapping[str, bool | int] = {}, **terms: object) -> dict[str, Any]:
        plan = (await keeper.post("/v1/plans", {"name": "Team", "entitlements": entitlements})).json()
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
        "charges": "(SELECT payment_id AS id, status FROM sandbox_charges) s JOIN payments p ON p.id = s.id"
        " JOIN invoices i ON i.id = p.invoice_id JOIN customers c ON c.id = i.customer_id",
    }

    async def run(person: Person) -> dict[str, list[str]]:
        user_id, found = parse_id("usr", person.subject), {}
        for name, source in sources.items():
            statement = f"SELECT s.status FROM {source} WHERE c.user_id = $1 ORDER BY s.id"  # noqa: S608 - ours
            found[name] = [row["status"] for row in await rows(statement, user_id)]
        return found

    return run


@pytest.fixture
def renew(shop: Shop) -> Callable[..., Awaitable[str]]:
    """`await renew(subscription)`: one more invoice of it, and the first attempt to collect it; the id of the invoice.

    With `asks=False` the attempt is on record, and the provider has not been asked.
    """

    async def bill(subscription: dict[str, Any], *, asks: bool = True) -> str:
        now = shop.clock.now()
        item = Item(
            description="One more period",
            quantity=Decimal(1),
            unit_amount=Decimal(1000),
            tax_rate=Decimal(0),
            period_start=now,
            period_end=now + timedelta(days=30),
        )
        async with shop.resources.database.transaction() as session:
            collection = build(session, shop.resources)
            customer = await collection.customers.by_id(parse_id("cus", subscription["customer_id"]))
            subscription_id = parse_id("sub", subscription["id"])
            invoice = await collection.invoices.issue(
                customer, [item], currency="EUR", subscription_id=subscription_id, reason="subscription_cycle"
            )
            payment = await collection.begin_automatic(invoice, customer)
        if payment is not None and asks:
            await build_unattended(shop.resources).collect(payment)
        return format_id("inv", invoice.id)

    return bill


@pytest.fixture
def next_period(shop: Shop) -> Callable[[dict[str, Any]], Awaitable[None]]:
    """`await next_period(subscription)`: what the biller does with one whose period has ended, at the end of it."""

    async def run(subscription: dict[str, Any]) -> None:
        subscription_id, customer_id = parse_id("sub", subscription["id"]), parse_id("cus", subscription["customer_id"])
        async with shop.resources.database.transaction() as session:
            renewal = await build_renewing(session, shop.resources).renew(subscription_id, customer_id=customer_id)
        if renewal is not None and renewal.payment is not None:
            await build_unattended(shop.resources).collect(renewal.payment)

    return run


@pytest.fixture
def credit(bookkeeper: Person) -> Callable[..., Awaitable[httpx.Response]]:
    """`await credit(invoice_id, 400)`: a credit note of so many cents of the first line; its answer."""

    async def run(invoice_id: str, cents: int) -> httpx.Response:
        (line, *_) = (await bookkeeper.get(f"/v1/invoices/{invoice_id}")).json()["lines"]
        lines = [{"invoice_line_id": line["id"], "net_amount": {"amount": cents, "currency": "EUR"}}]
        return await bookkeeper.post(
            "/v1/credit-notes", {"invoice_id": invoice_id, "lines": lines, "reason": "Returned"}
        )

    return run


@pytest.fixture
def balanced(shop: Shop) -> Callable[[str], Awaitable[None]]:
    """`await balanced(customer_id)`: payments, the provider's books and the ledger agree about a customer."""
    return partial(assert_agreed, shop.database)


@pytest.fixture
def tell(shop: Shop) -> Callable[..., Awaitable[httpx.Response]]:
    """`await tell("charge.failed", {"id": "pay_…"})`: the provider tells something, and signs it; its answer."""
    signatures = open_sandbox(shop.resources).signatures

    async def run(type_: str, data: dict[str, Any], *, event_id: str = "") -> httpx.Response:
        now = datetime.now(UTC)
        event = {"id": event_id or f"evt_{new_id().hex}", "type": type_, "created": int(now.timestamp()), "data": data}
        raw = json.dumps(event).encode()
        headers = {"Content-Type": "application/json", "Sandbox-Signature": signatures.sign(raw, at=now)}
        return await shop.client.post("/v1/webhooks/sandbox", content=raw, headers=headers)

    return run


class ProcessDied(Exception):
    """Stands for a kill -9."""


@pytest.fixture
def died() -> type[Exception]:
    """What is raised where a process died that a test itself was."""
    return ProcessDied


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
