"""A year in the life of a shop, day by day and by chance: at its end everybody's books agree, to the cent."""

import asyncio
from calendar import monthrange
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from random import Random
from typing import Any
from uuid import UUID

import pytest

from billing.reconciliation.dependencies import build
from core.ids import parse_id

# What is under way is asked about at once, also while the biller does so.
SETTINGS = {"settle_after_s": 0}
pytestmark = pytest.mark.usefixtures("polled_often")
# From where January's 31st and February's 29th are ahead.
BEGIN, END = datetime(2027, 12, 20, 9, tzinfo=UTC), datetime(2029, 1, 25, tzinfo=UTC)
# Days between two moves of the clock: never two periods of one subscription, often some of several.
STEP_DAYS_MAX = 13
CURRENCIES = ("EUR", "USD", "JPY")
CARDS = {
    "pm_card_visa": 10,
    "pm_sandbox_fail_n_2": 3,
    "pm_sandbox_async_ok": 2,
    "pm_sandbox_timeout_then_ok": 2,
    "pm_card_visa_chargeDeclined": 1,
    "pm_card_visa_chargeDeclinedInsufficientFunds": 1,
    "pm_card_visa_chargeDeclinedLostCard": 1,
}
MOMENT = timedelta(microseconds=1)
# What may be asked for in vain: it is paid, ended, or under way by now.
IN_VAIN = {402, 409}


SUBSCRIPTIONS = 50
# By interval, unit amount, tax rate, model, and days of trial.
PRICES = (
    ("month", "999", "0.21", "per_unit", 0),
    ("month", "33.3333", "0.077", "per_unit", 0),
    ("month", "2500", "0", "flat", 14),
    ("month", "1234.5", "0.19", "flat", 0),
    ("year", "9990", "0.21", "per_unit", 0),
    ("year", "120000", "0", "flat", 30),
)
STANDING = """
    SELECT id, status, (
        SELECT i.id FROM invoices i WHERE i.subscription_id = s.id ORDER BY created_at DESC, id DESC LIMIT 1
    ) AS invoice_id
    FROM subscriptions s
"""
BUSY = """
    SELECT EXISTS (SELECT FROM outbox WHERE sent_at IS NULL AND dead_at IS NULL)
        OR EXISTS (SELECT FROM inbox WHERE handled_at IS NULL AND dead_at IS NULL)
        OR EXISTS (SELECT FROM payments WHERE status = 'processing')
        OR EXISTS (SELECT FROM refunds WHERE status = 'processing')
"""
# Subjects whose changes were not all announced, each once and in order.
GAPS = """
    SELECT subject, sequences FROM (
        SELECT subject, array_agg(sequence::int ORDER BY position) AS sequences
        FROM outbox WHERE sequence > 0 GROUP BY 1) told
    WHERE sequences <> (SELECT array_agg(n) FROM generate_series(1, cardinality(sequences)) n)
"""


def boundaries(anchor: datetime, months: int) -> Iterator[datetime]:
    """Every instant at which a period begins, by the calendar alone."""
    month = anchor.year * 12 + anchor.month - 1
    while True:
        year, index = divmod(month, 12)
        yield anchor.replace(year=year, month=index + 1, day=min(anchor.day, monthrange(year, index + 1)[1]))
        month += months


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def months_of(price: dict[str, Any]) -> int:
    return 12 if price["interval"] == "year" else 1


@dataclass(frozen=True)
class Stretch:
    """From which anchor on periods have how many months."""

    anchor: datetime
    months: int
    # Planned, it begins where a period would have; otherwise one that began at the same instant is billed already.
    is_planned: bool = False

    @property
    def earlier_end(self) -> datetime:
        """Before which all periods of the stretch before are billed."""
        return self.anchor if self.is_planned else self.anchor + MOMENT


@dataclass
class Subscriber:
    """Somebody who subscribes, and what we expect the biller to do about it."""

    person: Any
    subscription: dict[str, Any]
    stretches: list[Stretch]
    status: str = ""
    # The last one.
    invoice_id: UUID | None = None
    # After which nothing is billed any more: it has ended, or will with its period.
    until: datetime | None = None
    # Since when it is not billed any further, until it is paid.
    behind_since: datetime | None = None

    @property
    def path(self) -> str:
        return f"/v1/subscriptions/{self.subscription['id']}"

    @property
    def has_ended(self) -> bool:
        return self.status in {"canceled", "incomplete_expired"}

    def periods(self, now: datetime) -> list[datetime]:
        """When the periods begin that are to be billed by now."""
        until = min(at for at in (now, self.until, self.behind_since) if at is not None)
        ends = [stretch.earlier_end for stretch in self.stretches[1:]] + [until + MOMENT]
        return [
            start
            for stretch, end in zip(self.stretches, ends, strict=True)
            for start in takewhile(
                lambda start, end=end: start <= until and start < end, boundaries(stretch.anchor, stretch.months)
            )
        ]

    def changed(self, subscription: dict[str, Any], months: dict[str, int], now: datetime) -> None:
        """Takes note of other terms, and from when on they hold."""
        past = [each for each in self.stretches if each.anchor <= now]
        anchor, present = instant(subscription["billing_cycle_anchor"]), months[subscription["price_id"]]
        if not past or (past[-1].anchor, past[-1].months) != (anchor, present):
            past.append(Stretch(anchor, present))
        period_end = instant(subscription["current_period_end"])
        if (planned := subscription["next_price_id"]) and months[planned] != present:
            past.append(Stretch(period_end, months[planned], is_planned=True))
        if subscription["cancel_at_period_end"]:
            self.until = period_end - MOMENT
        self.stretches, self.subscription = past, subscription

    def seen(self, status: str, invoice_id: UUID | None, now: datetime) -> None:
        """Takes note of how it stands."""
        is_other, self.invoice_id = invoice_id != self.invoice_id, invoice_id
        self.status = status
        if status == "past_due" and (self.behind_since is None or is_other):
            self.behind_since = now
        elif status in {"active", "trialing"}:
            self.behind_since = None
        elif status == "canceled" and self.until is None:
            self.until = now
        elif status == "incomplete_expired":
            self.until = self.stretches[0].anchor


class World:
    """The shop and all who buy from it."""

    def __init__(self, shop: Any, make_price: Any, random: Random) -> None:
        self.shop = shop
        self.make_price = make_price
        self.random = random
        self.admin = shop.person("billing:write", "billing:read")
        self.prices: dict[str, list[dict[str, Any]]] = {}
        self.months: dict[str, int] = {}
        self.subscribers: list[Subscriber] = []
        self.done = Counter[str]()

    async def open(self) -> None:
        """Prices for every purse: by the month and the year, flat and by the piece, with tax and trial, or without."""
        for currency in CURRENCIES:
            names = ("interval", "unit_amount", "tax_rate", "model", "trial_days")
            terms = [dict(zip(names, each, strict=True)) for each in PRICES]
            self.prices[currency] = [await self.make_price(currency=currency, **each) for each in terms]
        self.months = {each["id"]: months_of(each) for prices in self.prices.values() for each in prices}

    async def now(self) -> datetime:
        return instant((await self.admin.get("/v1/test-clock")).json()["now"])

    async def subscribe(self) -> None:
        """Somebody new, with a card that may be none."""
        person = self.shop.person()
        price = self.random.choice(self.prices[self.random.choice(CURRENCIES)])
        await person.add_card(self.random.choices(list(CARDS), weights=list(CARDS.values()))[0])
        subscription = await person.subscribe(price, quantity=self._quantity(price))
        stretch = Stretch(instant(subscription["billing_cycle_anchor"]), months_of(price))
        self.subscribers.append(Subscriber(person, subscription, [stretch]))

    async def advance(self, to: datetime) -> None:
        """Moves the clock, waits until nothing more comes of it, and looks at everybody."""
        answer = await self.admin.post("/v1/test-clock/advance", {"to": to.isoformat()})
        assert answer.status_code == 200, answer.text
        await self.is_quiet()
        due = (await self.admin.get("/v1/test-clock")).json()["due"]
        if any(due.values()):
            # What came in a moment ago has made more due, which the biller would see within a minute.
            await self.advance(await self.now() + timedelta(minutes=1))
        await self.look()

    async def is_quiet(self) -> None:
        """Waits until nothing is under way."""
        while await self.shop.database.fetchval(BUSY):  # noqa: ASYNC110 - a server has no events for its own state
            await asyncio.sleep(0.02)

    async def look(self) -> None:
        """How everybody stands: by the database, because to ask for each would take most of the year."""
        now = await self.now()
        found = {row["id"]: row for row in await self.shop.database.fetch(STANDING)}
        for each in self.subscribers:
            row = found[parse_id("sub", each.subscription["id"])]
            if not each.has_ended:
                each.seen(row["status"], row["invoice_id"], now)

    async def act(self) -> None:
        """Something that people do."""
        each = self.random.choice(self.subscribers)
        actions = {self.change: 5, self.cancel: 1, self.resume: 2, self.new_card: 3, self.pay: 3, self.take_back: 4}
        if not each.has_ended:
            each.subscription = (await each.person.get(each.path)).json()
            (action,) = self.random.choices(list(actions), weights=list(actions.values()))
            answer = await action(each)
            await self.is_quiet()
            if answer is not None:
                assert answer.status_code < 300 or answer.status_code in IN_VAIN, answer.text
                self.done[f"{action.__name__} {'refused' if answer.is_error else 'done'}"] += 1
            await self.look()

    async def change(self, each: Subscriber) -> Any:
        """More, or less, or by the year; at once or from the next period on."""
        of_currency = next(
            prices for prices in self.prices.values() if each.subscription["price_id"] in {one["id"] for one in prices}
        )
        price = self.random.choice(of_currency)
        prorations = ["invoice_now", "none"]
        if months_of(price) == each.stretches[-1].months:
            prorations.append("next_invoice")
        wanted = {
            "price_id": price["id"],
            "quantity": self._quantity(price),
            "effective": self.random.choice(["now", "now", "period_end"]),
            "proration": self.random.choice(prorations),
        }
        answer = await each.person.patch(each.path, wanted)
        if answer.status_code == 200:
            each.changed(answer.json(), self.months, await self.now())
        return answer

    async def cancel(self, each: Subscriber) -> Any:
        when = self.random.choice(["now", "period_end"])
        answer = await each.person.post(f"{each.path}/cancel", {"when": when})
        if answer.status_code == 200:
            now, end = await self.now(), instant(answer.json()["current_period_end"])
            each.until = now if when == "now" else end - MOMENT
        return answer

    async def resume(self, each: Subscriber) -> Any:
        answer = await each.person.post(f"{each.path}/resume")
        if answer.status_code == 200:
            each.until = None
        return answer

    async def new_card(self, each: Subscriber) -> Any:
        card = self.random.choice(list(CARDS))
        return await each.person.post("/v1/payment-methods", {"provider_token": card, "default": True})

    async def pay(self, each: Subscriber) -> Any:
        """With a card that works."""
        invoice = each.subscription["latest_invoice"]
        if invoice is None or invoice["status"] != "open":
            return None
        body = {"payment_method_id": await each.person.add_card()}
        return await each.person.post(f"/v1/invoices/{invoice['id']}/pay", body)

    async def take_back(self, each: Subscriber) -> Any:
        """A part of a line: to the balance, or back to the card."""
        invoice = each.subscription["latest_invoice"]
        lines = [line for line in (invoice or {"lines": []})["lines"] if line["net"]["amount"] > 1]
        if not lines:
            return None
        line = self.random.choice(lines)
        net = line["net"] | {"amount": self.random.randint(1, line["net"]["amount"] // 2)}
        note = {"invoice_id": invoice["id"], "lines": [{"invoice_line_id": line["id"], "net_amount": net}]}
        # To the balance, unless it is said where to.
        back = {"refund_amount": net} if invoice["status"] == "paid" and self.random.random() < 0.5 else {}
        return await self.admin.post("/v1/credit-notes", note | back | {"reason": "Complained"})

    async def settle_up(self) -> None:
        """Everybody who is behind pays, and is billed for what was left out."""
        while behind := [each for each in self.subscribers if each.status == "past_due"]:
            for each in behind:
                await each.person.add_card(default=True)
                await self.is_quiet()
                each.subscription = (await each.person.get(each.path)).json()
                await self.pay(each)
            await self.advance(await self.now() + timedelta(minutes=1))

    def _quantity(self, price: dict[str, Any]) -> int:
        return self.random.randint(1, 20) if price["model"] == "per_unit" else 1


@pytest.fixture
def count(request):
    return request.config.getoption("--subscriptions", None) or SUBSCRIPTIONS


async def test_after_a_year_of_trade_all_books_agree(shop, make_price, count, rows, books):
    random = Random(count)  # noqa: S311 - the same year in every run
    shop.clock.current = BEGIN
    world = World(shop, make_price, random)
    await world.open()
    for _ in range(count):
        await world.subscribe()
        if random.random() < 12 / count:
            await world.is_quiet()
            await world.advance(await world.now() + timedelta(days=1, hours=random.randint(0, 23)))
    while (now := await world.now()) < END:
        for _ in range(random.randint(0, count // 10)):
            await world.act()
        await world.advance(now + timedelta(days=random.randint(1, STEP_DAYS_MAX)))
    await world.settle_up()
    now = await world.now()
    billed = await rows("""
        SELECT i.subscription_id, array_agg(l.period_start ORDER BY l.period_start) AS starts
        FROM invoices i JOIN invoice_lines l ON l.invoice_id = i.id AND NOT l.proration GROUP BY 1
    """)
    found = {each["subscription_id"]: each["starts"] for each in billed}
    expected = {parse_id("sub", each.subscription["id"]): each.periods(now) for each in world.subscribers}
    assert found == {subscription_id: starts for subscription_id, starts in expected.items() if starts}
    await books()
    assert await rows(GAPS) == []
    report = await build(shop.resources).run()
    assert (report.differences, report.healed, report.under_way) == ([], 0, 0)
    assert {*report.totals} == {*CURRENCIES}
    assert all(each.provider_minor == each.payments_minor == each.ledger_minor > 0 for each in report.totals.values())
    # It was no quiet year.
    assert {"change done", "take_back done", "new_card done", "cancel done"} <= world.done.keys()
    assert {"active", "canceled", "incomplete_expired"} <= {each.status for each in world.subscribers}
