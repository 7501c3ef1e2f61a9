"""The states of a payment: what it becomes of each state by whatever is told of it."""

import pytest

from billing.collection import dependencies as collection
from billing.payments.provider import Outcome
from core.ids import parse_id

STATES = ("processing", "requires_action", "failed", "succeeded")
OUTCOMES = {
    "unknown": Outcome("unknown"),
    "requires_action": Outcome("requires_action", "authentication_required"),
    "failed": Outcome("failed", "insufficient_funds"),
    "failed for good": Outcome("failed", "lost_card", retryable=False),
    "succeeded": Outcome("succeeded", fee_minor=15),
}
# What is known, what is told, and what is known then; all else changes nothing.
MOVES = {
    ("processing", "requires_action"): "requires_action",
    ("processing", "failed"): "failed",
    ("processing", "failed for good"): "failed",
    ("processing", "succeeded"): "succeeded",
    ("requires_action", "failed"): "failed",
    ("requires_action", "failed for good"): "failed",
    ("requires_action", "succeeded"): "succeeded",
    # A customer may confirm at the bank what had been declined without it.
    ("failed", "succeeded"): "succeeded",
}


@pytest.fixture
def settle(shop):
    """`await settle(payment_id, outcome)`: what follows when that becomes known."""

    async def run(payment_id, outcome):
        async with shop.resources.database.transaction() as session:
            collecting = collection.build(session, shop.resources)
            payment = await collecting.payments.payment(parse_id("pay", payment_id))
            await collecting.settle(payment, outcome)

    return run


@pytest.mark.parametrize("known", STATES)
@pytest.mark.parametrize("told", OUTCOMES)
async def test_what_is_told_moves_a_payment_as_the_table_says(buyer, price, rows, settle, keeper, known, told):
    await buyer.add_card("pm_sandbox_async_ok")
    payment_id = (await buyer.subscribe(price))["latest_invoice"]["last_payment"]["id"]
    if known != "processing":
        await settle(payment_id, OUTCOMES[known])
    path = f"/v1/payments/{payment_id}"
    before = (await keeper.get(path)).json()
    assert before["status"] == known
    await settle(payment_id, OUTCOMES[told])
    after = (await keeper.get(path)).json()
    expected = MOVES.get((known, told))
    if expected is None:
        assert after == before
    else:
        assert (after["status"], after["decline_code"]) == (expected, OUTCOMES[told].decline_code)
    # Each change of state emits exactly one event, with the payment's sequence.
    told_of = await rows("SELECT type, sequence FROM outbox WHERE subject = $1 ORDER BY sequence", payment_id)
    states = ["processing", *([known] if known != "processing" else []), *([expected] if expected else [])]
    assert [(each["type"], each["sequence"]) for each in told_of] == [
        (f"payment.{state}", sequence) for sequence, state in enumerate(states, 1)
    ]
    fee = {"amount": 15 if states[-1] == "succeeded" else 0, "currency": "EUR"}
    assert after["fee"] == fee
