"""What nobody retries: the reminder that every payment leaves asks the provider, and settles what it says."""

import asyncio

import pytest

from billing.collection.service import Collection
from billing.payments.provider import Outcome, Sandbox

SETTINGS = {"settle_after_s": 0.1}
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
        async with asyncio.timeout(5):
            while await on_record(person) != expected:  # noqa: ASYNC110 - it happens elsewhere
                await asyncio.sleep(0.02)

    return wait


@pytest.fixture
async def reminded(rows):
    """`await reminded(subscription, 2)`: waits until so many reminders of its payment have been delivered."""

    async def wait(subscription, count):
        subject = f"{subscription['latest_invoice']['last_payment']['id']}/settlement"
        delivered = "SELECT 1 FROM outbox WHERE subject = $1 AND sent_at IS NOT NULL"
        async with asyncio.timeout(5):
            while len(await rows(delivered, subject)) < count:  # noqa: ASYNC110 - it happens elsewhere
                await asyncio.sleep(0.02)

    return wait


@pytest.mark.parametrize("card", ["pm_sandbox_timeout_then_ok", "pm_sandbox_async_ok"])
async def test_an_answer_that_does_not_come_is_asked_for(buyer, price, becomes, card):
    await buyer.add_card(card)
    subscription = await buyer.subscribe(price)
    assert subscription["latest_invoice"]["last_payment"]["status"] in {"processing", "succeeded"}
    await becomes(buyer, PAID)
    read = (await buyer.get(f"/v1/subscriptions/{subscription['id']}")).json()
    assert (read["status"], read["latest_invoice"]["status"]) == ("active", "paid")


@pytest.mark.parametrize(("kind", "step"), [(Sandbox, "charge"), (Collection, "settle")])
@pytest.mark.parametrize(
    ("card", "outcome"), [("pm_card_visa", PAID), ("pm_card_visa_chargeDeclined", DECLINED)], ids=["paid", "declined"]
)
async def test_a_purchase_whose_process_died_is_settled(buyer, price, crash, becomes, kind, step, card, outcome):
    await buyer.add_card(card)
    restart = crash(kind, step)
    await buyer.post("/v1/subscriptions", {"price_id": price["id"]})
    restart()
    await becomes(buyer, outcome)


async def test_a_provider_that_does_not_know_yet_is_asked_again(buyer, price, becomes, reminded, monkeypatch):
    async def not_yet(*_):
        return Outcome("unknown")

    with monkeypatch.context() as patch:
        patch.setattr(Sandbox, "fetch", not_yet)
        await buyer.add_card("pm_sandbox_timeout_then_ok")
        subscription = await buyer.subscribe(price)
        await reminded(subscription, 2)
    await becomes(buyer, PAID)


async def test_a_reminder_of_what_is_settled_changes_nothing(payer, price, on_record, reminded):
    subscription = await payer.subscribe(price)
    before = [(await payer.get(path)).json() for path in ("/v1/subscriptions", "/v1/invoices")]
    await reminded(subscription, 1)
    assert [(await payer.get(path)).json() for path in ("/v1/subscriptions", "/v1/invoices")] == before
    assert await on_record(payer) == PAID
