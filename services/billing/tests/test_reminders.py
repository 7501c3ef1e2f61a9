"""What nobody retries: the reminder that every payment leaves asks the provider, and settles what it says."""

import asyncio

import pytest

from billing.collection.service import Collection
from billing.payments.provider import Outcome, Sandbox
from core.errors import Unavailable
from core.testing import problem

SETTINGS = {"settle_after_s": 0.1}
pytestmark = pytest.mark.usefixtures("polled_often")
PAID = {"subscriptions": ["active"], "invoices": ["paid"], "payments": ["succeeded"], "charges": ["succeeded"]}
DECLINED = {
    "subscriptions": ["incomplete"],
    "invoices": ["open"],
    "payments": ["failed"],
    "charges": ["failed"],
}


@pytest.fixture
def becomes(on_record):
    """`await becomes(buyer, PAID)`: waits until that is on record."""

    async def wait(person, expected):
        async with asyncio.timeout(30):
            while await on_record(person) != expected:  # noqa: ASYNC110 - it happens elsewhere
                await asyncio.sleep(0.02)

    return wait


@pytest.fixture
async def reminded(rows):
    """`await reminded(subscription, 2)`: waits until so many reminders of its payment have been delivered."""

    async def wait(subscription, count):
        subject = f"{subscription['latest_invoice']['last_payment']['id']}/settlement"
        delivered = "SELECT 1 FROM inbox WHERE subject = $1 AND handled_at IS NOT NULL"
        async with asyncio.timeout(30):
            while len(await rows(delivered, subject)) < count:  # noqa: ASYNC110 - it happens elsewhere
                await asyncio.sleep(0.02)

    return wait


async def subscribed(person, price, card):
    somebody = person()
    await somebody.add_card(card)
    return somebody, await somebody.post("/v1/subscriptions", {"price_id": price["id"]})


async def test_an_answer_that_does_not_come_is_asked_for(person, price, becomes):
    cards = ("pm_sandbox_timeout_then_ok", "pm_sandbox_async_ok")
    for buyer, answer in [await subscribed(person, price, card) for card in cards]:
        assert answer.json()["latest_invoice"]["last_payment"]["status"] in {"processing", "succeeded"}
        await becomes(buyer, PAID)
        (subscription,) = (await buyer.get("/v1/subscriptions")).json()["data"]
        assert (subscription["status"], subscription["latest_invoice"]["status"]) == ("active", "paid")


@pytest.mark.parametrize(("kind", "step"), [(Sandbox, "charge"), (Collection, "settle")])
async def test_a_purchase_whose_process_died_is_settled(person, price, crash, becomes, kind, step):
    restart = crash(kind, step)
    lucky, answer = await subscribed(person, price, "pm_card_visa")
    unlucky, _ = await subscribed(person, price, "pm_card_visa_chargeDeclined")
    restart()
    assert problem(answer) == (500, "internal_error")
    await becomes(lucky, PAID)
    await becomes(unlucky, DECLINED)


async def test_a_provider_that_does_not_know_yet_is_asked_again(buyer, price, becomes, reminded, monkeypatch):
    async def not_yet(*_):
        return Outcome("unknown")

    with monkeypatch.context() as patch:
        patch.setattr(Sandbox, "fetch", not_yet)
        await buyer.add_card("pm_sandbox_timeout_then_ok")
        subscription = await buyer.subscribe(price)
        await reminded(subscription, 2)
    await becomes(buyer, PAID)


@pytest.mark.parametrize("step", ["fetch", "charge"])
async def test_a_provider_that_is_away_is_asked_again(person, price, on_record, becomes, reminded, monkeypatch, step):
    async def away(*_, **__):
        raise Unavailable

    with monkeypatch.context() as patch:
        patch.setattr(Sandbox, step, away)
        buyer, _ = await subscribed(person, price, "pm_sandbox_timeout_then_ok")
        (subscription,) = (await buyer.get("/v1/subscriptions")).json()["data"]
        # Delivered, not retried: a delivery is given up some day, a new reminder never.
        await reminded(subscription, 2)
        assert (await on_record(buyer))["payments"] == ["processing"]
    await becomes(buyer, PAID)


async def test_a_reminder_of_what_is_settled_changes_nothing(payer, price, on_record, reminded):
    subscription = await payer.subscribe(price)
    before = [(await payer.get(path)).json() for path in ("/v1/subscriptions", "/v1/invoices")]
    await reminded(subscription, 1)
    assert [(await payer.get(path)).json() for path in ("/v1/subscriptions", "/v1/invoices")] == before
    assert await on_record(payer) == PAID
