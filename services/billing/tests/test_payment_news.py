"""What is told of a payment that nobody asked for: in any order, and however late, it ends in the same state."""

from datetime import timedelta
from itertools import permutations

import pytest

from billing.collection.dependencies import build, build_unattended
from billing.payments.provider import Outcome
from core.ids import new_id, parse_id

CONFIRM = Outcome("requires_action", "authentication_required")
DECLINED = Outcome("failed", "insufficient_funds")
LOST = Outcome("failed", "lost_card", retryable=False)
UNKNOWN = Outcome("unknown")
SUCCEEDED = Outcome("succeeded", fee_minor=15)

BEHIND = ("past_due", "open", "failed", 1)
ENDED = ("canceled", "uncollectible", "failed", 1)
PAID = ("active", "paid", "succeeded", 0)
# What is told, and how subscription, invoice and payment end; and the attempts that count, or that wait to.
NEWS = [
    ((UNKNOWN, CONFIRM), ("past_due", "open", "requires_action", 1)),
    ((DECLINED, DECLINED), BEHIND),
    ((CONFIRM, DECLINED), BEHIND),
    ((LOST, LOST), ENDED),
    ((CONFIRM, LOST), ENDED),
    ((CONFIRM, SUCCEEDED), PAID),
    ((DECLINED, SUCCEEDED, SUCCEEDED), PAID),
    ((CONFIRM, DECLINED, SUCCEEDED), PAID),
]
ORDERS = [(order, end) for told, end in NEWS for order in dict.fromkeys(permutations(told))]


@pytest.fixture
async def subscription(payer, price):
    return await payer.subscribe(price)


@pytest.fixture
def begin(subscription, renew, rows):
    """`invoice_id, payment = await begin()`: a payment that nobody asked for and nobody has told anything of."""

    async def run():
        invoice_id = await renew(subscription, asks=False)
        return invoice_id, await last_payment(rows, invoice_id)

    return run


async def last_payment(rows, invoice_id):
    last = "SELECT * FROM payments WHERE invoice_id = $1 ORDER BY created_at DESC, id DESC LIMIT 1"
    return (await rows(last, parse_id("inv", invoice_id)))[0]


@pytest.fixture
def hear(shop, rows):
    """`await hear(payment, SUCCEEDED)`: the provider tells it, and has it in its books."""

    async def run(payment, outcome):
        if outcome.status == "succeeded":
            booked = """INSERT INTO sandbox_charges (payment_id, reference, amount_minor, currency, status, fee_minor,
                created_at) VALUES ($1, $2, $3, 'EUR', 'succeeded', $4, now()) ON CONFLICT DO NOTHING"""
            await rows(booked, payment["id"], payment["reference"], payment["amount_minor"], outcome.fee_minor)
        async with shop.resources.database.transaction() as session:
            collection = build(session, shop.resources)
            await collection.settle(await collection.payments.payment(payment["id"]), outcome)

    return run


@pytest.fixture
def state(subscription, rows):
    """`await state(invoice_id)`: the states of subscription, invoice and last payment, and the attempts that count."""

    async def read(invoice_id):
        (invoice,) = await rows("SELECT * FROM invoices WHERE id = $1", parse_id("inv", invoice_id))
        (one,) = await rows("SELECT status FROM subscriptions WHERE id = $1", parse_id("sub", subscription["id"]))
        assert (invoice["next_attempt_at"] is not None) == (invoice["status"] == "open" and invoice["attempts"] > 0)
        payment = await last_payment(rows, invoice_id)
        attempts = 0 if invoice["status"] == "paid" else invoice["attempts"]
        return one["status"], invoice["status"], payment["status"], attempts

    return read


@pytest.fixture
def change(shop):
    """`await change(invoice_id, "void")`: what is done to an invoice otherwise."""

    async def run(invoice_id, what):
        async with shop.resources.database.transaction() as session:
            invoices = build(session, shop.resources).invoices
            customer = await invoices.customers.by_id(await invoices.customer_of(parse_id("inv", invoice_id)))
            invoice = await invoices.locked(parse_id("inv", invoice_id))
            await (invoices.void(invoice, customer) if what == "void" else invoices.write_off(invoice))

    return run


@pytest.fixture
def balance(rows, subscription):
    """`await balance()`: what the customer has in credit."""

    async def read():
        customer = parse_id("cus", subscription["customer_id"])
        return (await rows("SELECT balance_minor FROM customers WHERE id = $1", customer))[0]["balance_minor"]

    return read


@pytest.mark.parametrize(("order", "end"), ORDERS)
async def test_news_in_any_order_end_in_the_same_state(subscription, begin, hear, state, balanced, order, end):
    invoice_id, payment = await begin()
    for outcome in order:
        await hear(payment, outcome)
        await balanced(subscription["customer_id"])
    assert await state(invoice_id) == end


async def test_a_subscription_that_has_ended_stays_so_when_its_money_comes_after_all(
    subscription, begin, hear, state, balanced
):
    invoice_id, payment = await begin()
    await hear(payment, LOST)
    await hear(payment, SUCCEEDED)
    assert await state(invoice_id) == ("canceled", "paid", "succeeded", 0)
    await balanced(subscription["customer_id"])


@pytest.mark.parametrize(("what", "end", "credited"), [("void", "void", 1000), ("write off", "paid", 0)])
async def test_money_for_an_invoice_that_nobody_waits_for_is_the_customers(
    subscription, begin, hear, change, balance, balanced, state, what, end, credited
):
    invoice_id, payment = await begin()
    await hear(payment, CONFIRM)
    await change(invoice_id, what)
    await hear(payment, SUCCEEDED)
    assert (await state(invoice_id))[1] == end
    assert await balance() == credited
    await balanced(subscription["customer_id"])


async def test_what_is_more_than_what_remains_is_the_customers(
    subscription, begin, hear, credit, state, balance, balanced, renew, clock
):
    invoice_id, payment = await begin()
    await hear(payment, CONFIRM)
    assert (await credit(invoice_id, 400)).status_code == 201
    await hear(payment, SUCCEEDED)
    assert await state(invoice_id) == PAID
    assert await balance() == 400
    await balanced(subscription["customer_id"])
    clock.current += timedelta(days=30)
    await renew(subscription)
    assert await balance() == 0
    await balanced(subscription["customer_id"])


async def test_an_invoice_that_is_paid_twice_leaves_the_second_payment_to_the_customer(
    payer, subscription, begin, hear, state, balance, balanced, renew, clock, rows
):
    invoice_id, payment = await begin()
    await hear(payment, CONFIRM)
    assert (await payer.post(f"/v1/invoices/{invoice_id}/pay")).json()["status"] == "paid"
    await hear(payment, SUCCEEDED)
    assert await state(invoice_id) == PAID
    assert await balance() == 1000
    await balanced(subscription["customer_id"])
    clock.current += timedelta(days=30)
    covered = await renew(subscription)
    assert (await payer.get(f"/v1/invoices/{covered}")).json()["status"] == "paid"
    assert await rows("SELECT 1 FROM payments WHERE invoice_id = $1", parse_id("inv", covered)) == []
    assert await balance() == 0


@pytest.mark.parametrize("newer", ["pm_card_visa_chargeDeclined", "pm_sandbox_async_ok"])
async def test_that_an_older_attempt_was_hopeless_says_nothing_of_a_newer_one(
    shop, payer, begin, hear, state, clock, rows, newer
):
    invoice_id, payment = await begin()
    await hear(payment, CONFIRM)
    await rows("UPDATE payment_methods SET is_default = false WHERE id = $1", payment["payment_method_id"])
    await rows(
        "UPDATE payment_methods SET is_default = true WHERE id = $1", parse_id("pm", await payer.add_card(newer))
    )
    clock.current += timedelta(days=2)
    await build_unattended(shop.resources).retry(parse_id("inv", invoice_id))
    before = await state(invoice_id)
    assert before[:2] == ("past_due", "open")
    await hear(payment, LOST)
    assert await state(invoice_id) == before


async def test_the_failure_of_what_somebody_asked_for_has_no_consequences(unpaid, hear, rows, on_record):
    buyer, subscription = unpaid
    invoice_id = subscription["latest_invoice"]["id"]
    await buyer.post(
        f"/v1/invoices/{invoice_id}/pay", {"payment_method_id": await buyer.add_card("pm_sandbox_async_ok")}
    )
    await hear(await last_payment(rows, invoice_id), LOST)
    left = await on_record(buyer)
    assert (left["subscriptions"], left["invoices"], left["payments"]) == (["incomplete"], ["open"], ["failed"] * 2)


@pytest.mark.parametrize("outcome", [CONFIRM, DECLINED, LOST])
async def test_from_who_leaves_nothing_is_collected_any_more(shop, subscription, begin, hear, rows, clock, outcome):
    invoice_id, payment = await begin()
    leaving = "UPDATE customers SET closing_at = now() WHERE id = $1"
    await rows(leaving, parse_id("cus", subscription["customer_id"]))
    await hear(payment, outcome)
    (invoice,) = await rows("SELECT * FROM invoices WHERE id = $1", parse_id("inv", invoice_id))
    assert (invoice["status"], invoice["attempts"], invoice["next_attempt_at"]) == ("open", 0, None)


async def test_what_was_behind_is_not_tried_again_from_who_leaves(shop, subscription, begin, hear, rows, clock):
    invoice_id, payment = await begin()
    await hear(payment, DECLINED)
    customer_id = parse_id("cus", subscription["customer_id"])
    await rows("UPDATE customers SET closing_at = now() WHERE id = $1", customer_id)
    clock.current += timedelta(days=2)
    unattended = build_unattended(shop.resources)
    assert await unattended.retry(parse_id("inv", invoice_id)) is None
    await unattended.retry_early(customer_id, occasion=new_id())
    assert len(await rows("SELECT 1 FROM payments WHERE invoice_id = $1", parse_id("inv", invoice_id))) == 1
