"""What the provider tells has the effect of the set of it: in whatever order it comes, and however often."""

from datetime import timedelta
from itertools import permutations
from uuid import uuid4

import pytest

from core.ids import parse_id

# A database of its own, in which nothing else is told or renewed.
SETTINGS = {}

# What may be told of one payment, and the last word of it.
OF_A_PAYMENT = {
    "charge.processing": {},
    "charge.requires_action": {"code": "authentication_required"},
    "charge.failed": {"code": "insufficient_funds", "retryable": True},
    "charge.succeeded": {"fee": 15},
}
OF_A_REFUND = {
    "refund.processing": {},
    "refund.succeeded": {},
    "refund.failed": {"code": "account_closed"},
}


@pytest.fixture
def told_in_order(tell, rows, becomes):
    """`await told_in_order({"pay_…": (…), …}, OF_A_PAYMENT)`: each subject is told its events in its order.

    After each event the ones before it are told again if `again`, and all of them at the end as news of their own.
    """

    async def applied():
        return not await rows("SELECT 1 FROM provider_events WHERE applied_at IS NULL")

    async def run(orders, data, *, again=True):
        names = {(subject, type_): f"evt_{uuid4().hex}" for subject, order in orders.items() for type_ in order}
        for step in range(len(data)):
            for last in range(step, -1 if again else step - 1, -1):
                for subject, order in orders.items():
                    type_ = order[last]
                    event_id = names[subject, type_]
                    answer = await tell(type_, {"id": subject, **data[type_]}, event_id=event_id)
                    assert answer.status_code == 200
                await becomes(applied)
        before = len(await rows("SELECT 1 FROM ledger_transactions"))
        for subject, type_ in names:
            await tell(type_, {"id": subject, **data[type_]})
        await becomes(applied)
        assert len(await rows("SELECT 1 FROM ledger_transactions")) == before

    return run


@pytest.fixture
def outcome(bookkeeper, rows):
    """`await outcome(buyer)`: the states and amounts of all that somebody bought, their balance, and the ledger's."""

    async def run(somebody):
        invoices = [
            (each["status"], each["amount_paid"], each["amount_remaining"])
            for each in await somebody.all("/v1/invoices")
        ]
        me = (await somebody.get("/v1/customers/me")).json()
        payments = (await bookkeeper.get("/v1/payments", customer_id=me["id"])).json()["data"]
        (subscription,) = await somebody.all("/v1/subscriptions")
        accounts = await rows(
            """SELECT account, sum(amount_minor) FROM ledger_entries JOIN ledger_transactions t ON t.id = transaction_id
            WHERE source = ANY($1) OR t.id IN (SELECT transaction_id FROM ledger_entries WHERE customer_id = $2)
            GROUP BY 1 HAVING sum(amount_minor) <> 0 ORDER BY 1""",
            [each["id"] for each in payments],
            parse_id("cus", me["id"]),
        )
        return {
            "payments": [(each["status"], each["decline_code"], each["fee"], each["refunded"]) for each in payments],
            "invoices": invoices,
            "subscription": subscription["status"],
            "balance": me["balance"],
            "accounts": [tuple(each.values()) for each in accounts],
        }

    return run


@pytest.fixture
async def waiting(person, price):
    """Somebody for each order of the four events, each with a payment that the provider has not decided."""
    orders = {}
    for order in permutations(OF_A_PAYMENT):
        somebody = person()
        await somebody.add_card("pm_sandbox_async_ok")
        subscription = await somebody.subscribe(price)
        orders[subscription["latest_invoice"]["last_payment"]["id"]] = (somebody, order)
    return orders


async def all_alike(waiting, outcome):
    """What all of them ended as."""
    outcomes = {order: await outcome(somebody) for somebody, order in waiting}
    expected = next(iter(outcomes.values()))
    assert {order: each for order, each in outcomes.items() if each != expected} == {}
    return expected


async def test_all_orders_of_what_is_told_of_a_payment_end_alike(waiting, told_in_order, outcome, run_biller, clock):
    assert len(waiting) == 24
    await told_in_order({payment_id: order for payment_id, (_, order) in waiting.items()}, OF_A_PAYMENT)
    first = await all_alike(waiting.values(), outcome)
    assert [each[0] for each in first["payments"]] == ["succeeded"]
    assert ([each[0] for each in first["invoices"]], first["subscription"]) == (["paid"], "active")
    # The same for the payment of the next period, which nobody asks for.
    clock.current += timedelta(days=32)
    await run_biller()
    renewals = {}
    for somebody, order in waiting.values():
        (subscription,) = await somebody.all("/v1/subscriptions")
        payment = subscription["latest_invoice"]["last_payment"]
        assert payment["status"] == "processing"
        renewals[payment["id"]] = order
    await told_in_order(renewals, OF_A_PAYMENT, again=False)
    second = await all_alike(waiting.values(), outcome)
    assert [each[0] for each in second["payments"]] == ["succeeded", "succeeded"]
    assert ([each[0] for each in second["invoices"]], second["subscription"]) == (["paid", "paid"], "active")
    assert {account: -amount for account, amount in second["accounts"]}["fees"] == -30


async def test_all_orders_of_what_is_told_of_a_refund_end_alike(person, bookkeeper, price, told_in_order, outcome):
    waiting = []
    for order in permutations(OF_A_REFUND):
        somebody = person()
        await somebody.add_card("pm_sandbox_refund_timeout_then_ok")
        invoice = (await somebody.subscribe(price))["latest_invoice"]
        amount = {"amount": 400, "currency": "EUR"}
        lines = [{"invoice_line_id": invoice["lines"][0]["id"], "net_amount": amount}]
        note = {"invoice_id": invoice["id"], "lines": lines, "refund_amount": amount, "reason": "Returned"}
        assert (await bookkeeper.post("/v1/credit-notes", note)).status_code == 201
        waiting.append((somebody, order))
    refunds = {each["customer_id"]: each for each in await bookkeeper.all("/v1/refunds")}
    assert {each["status"] for each in refunds.values()} == {"processing"}
    ids = [refunds[(await somebody.get("/v1/customers/me")).json()["id"]]["id"] for somebody, _ in waiting]
    await told_in_order({id_: order for id_, (_, order) in zip(ids, waiting, strict=True)}, OF_A_REFUND)
    end = await all_alike(waiting, outcome)
    assert {each["status"] for each in await bookkeeper.all("/v1/refunds")} == {"failed"}
    # What could not be given back is the customer's all the same.
    assert end["balance"] == amount
