"""What nobody retries: the reminder that every payment leaves asks the provider, and settles what it says."""

import asyncio

import pytest

from billing.collection.service import Collection
from billing.payments.provider import Outcome, Sandbox

PAID = {"subscriptions": ["active"], "invoices": ["paid"], "payments": ["succeeded"], "sandbox_charges": ["succeeded"]}
DECLINED = {
    "subscriptions": ["incomplete"],
    "invoices": ["open"],
    "payments": ["failed"],
    "sandbox_charges": ["failed"],
}


@pytest.fixture
def settings(settings):
    return settings.model_copy(update={"settle_after_s": 0.1})


@pytest.fixture
def becomes(on_record):
    """`await becomes(PAID)`: waits until that is on record."""

    async def wait(expected):
        async with asyncio.timeout(5):
            while await on_record() != expected:  # noqa: ASYNC110 - it happens elsewhere
                await asyncio.sleep(0.02)

    return wait


@pytest.fixture
async def reminded(rows):
    """`await reminded(2)`: waits until so many reminders have been delivered."""

    async def wait(count):
        async with asyncio.timeout(5):
            delivered = "SELECT 1 FROM outbox WHERE type = 'payment.settle' AND sent_at IS NOT NULL"
            while len(await rows(delivered)) < count:  # noqa: ASYNC110 - it happens elsewhere
                await asyncio.sleep(0.02)

    return wait


@pytest.mark.parametrize("card", ["pm_sandbox_timeout_then_ok", "pm_sandbox_async_ok"])
async def test_an_answer_that_does_not_come_is_asked_for(buyer, price, becomes, card):
    await buyer.add_card(card)
    subscription = await buyer.subscribe(price)
    assert subscription["latest_invoice"]["last_payment"]["status"] in {"processing", "succeeded"}
    await becomes(PAID)
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
    await becomes(outcome)


async def test_a_provider_that_does_not_know_yet_is_asked_again(buyer, price, becomes, reminded, monkeypatch):
    async def not_yet(*_):
        return Outcome("unknown")

    with monkeypatch.context() as patch:
        patch.setattr(Sandbox, "fetch", not_yet)
        await buyer.add_card("pm_sandbox_timeout_then_ok")
        await buyer.subscribe(price)
        await reminded(2)
    await becomes(PAID)


async def test_a_reminder_of_what_is_settled_changes_nothing(payer, price, on_record, reminded, rows):
    await payer.subscribe(price)
    before = await rows("SELECT * FROM payments, invoices, subscriptions, ledger_entries")
    await reminded(1)
    assert await rows("SELECT * FROM payments, invoices, subscriptions, ledger_entries") == before
    assert await on_record() == PAID
