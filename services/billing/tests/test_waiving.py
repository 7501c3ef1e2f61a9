"""Giving up an invoice: voided or written off, what is booked of it, and what becomes of its subscription."""

from datetime import timedelta

import pytest

from core.ids import parse_id
from core.testing import problem

INVOICES = "/v1/invoices"


@pytest.fixture
def booked(bookkeeper):
    """`await booked(invoice)`: what was booked of it, in order: kind, account and amount of each entry."""

    async def run(invoice):
        transactions = await bookkeeper.all("/v1/ledger/transactions", source=invoice["id"])
        return {
            each["kind"]: {entry["account"]: entry["amount"]["amount"] for entry in each["entries"]}
            for each in transactions
        }

    return run


@pytest.fixture
def waive(bookkeeper):
    """`await waive(invoice, "void")`: the invoice as it is then."""

    async def run(invoice, action):
        response = await bookkeeper.post(f"{INVOICES}/{invoice['id']}/{action}")
        assert response.status_code == 200, response.text
        return response.json()

    return run


async def test_a_void_invoice_is_booked_back_and_keeps_its_number(buyer, bill, waive, booked, books):
    invoice = await bill(buyer, "1 1000 0.21")
    voided = await waive(invoice, "void")
    assert voided == invoice | {"status": "void"}
    assert await booked(invoice) == {
        "invoice_finalized": {"receivable": 1210, "revenue": -1000, "tax_payable": -210},
        "invoice_voided": {"receivable": -1210, "revenue": 1000, "tax_payable": 210},
    }
    await books()


async def test_what_the_balance_had_paid_of_a_void_invoice_is_given_back(buyer, bill, waive, booked, rows, books):
    await bill(buyer, "-1 2000 0")
    invoice = await bill(buyer, "1 10000 0")
    assert invoice["amount_due"]["amount"] == 8000
    await waive(invoice, "void")
    assert (await booked(invoice))["balance_given_back"] == {"receivable": 2000, "customer_credit": -2000}
    balance = "SELECT balance_minor FROM customers WHERE id = $1"
    assert await rows(balance, parse_id("cus", invoice["customer_id"])) == [{"balance_minor": 2000}]
    await books()


async def test_an_uncollectible_invoice_is_written_off_until_it_is_paid_after_all(payer, bill, waive, booked, books):
    invoice = await waive(await bill(payer, "1 1000 0.21"), "mark-uncollectible")
    assert invoice["amount_remaining"]["amount"] == 1210
    assert (await booked(invoice))["invoice_written_off"] == {"bad_debt": 1210, "receivable": -1210}
    await books()
    assert (await payer.post(f"{INVOICES}/{invoice['id']}/pay")).json()["status"] == "paid"
    assert (await booked(invoice))["write_off_reversed"] == {"bad_debt": -1210, "receivable": 1210}
    await books()


async def test_an_uncollectible_invoice_that_is_voided_is_nobodys_debt(buyer, bill, waive, booked, books):
    invoice = await waive(await bill(buyer, "1 1000 0.21"), "mark-uncollectible")
    await waive(invoice, "void")
    assert set(await booked(invoice)) == {
        "invoice_finalized",
        "invoice_written_off",
        "write_off_reversed",
        "invoice_voided",
    }
    await books()


@pytest.mark.parametrize("action", ["void", "mark-uncollectible"])
async def test_money_that_is_under_way_is_waited_for(buyer, bill, bookkeeper, action):
    await buyer.add_card("pm_sandbox_timeout_then_ok")
    invoice = await bill(buyer, "1 1000 0.21")
    path = f"{INVOICES}/{invoice['id']}"
    assert problem(await buyer.post(f"{path}/pay", key="once")) == (409, "payment_in_progress")
    assert problem(await bookkeeper.post(f"{path}/{action}")) == (409, "payment_in_progress")
    assert (await buyer.post(f"{path}/pay", key="once")).json()["status"] == "paid"
    assert problem(await bookkeeper.post(f"{path}/{action}")) == (409, "invalid_transition")


@pytest.mark.parametrize("action", ["void", "mark-uncollectible"])
async def test_a_subscription_does_not_wait_for_an_invoice_that_is_given_up(unpaid, waive, action):
    buyer, subscription = unpaid
    await waive(subscription["latest_invoice"], action)
    read = (await buyer.get(f"/v1/subscriptions/{subscription['id']}")).json()
    assert (read["status"], read["ended_at"] is not None) == ("incomplete_expired", True)


@pytest.fixture
async def behind(person, price, renew, clock):
    """Somebody whose card was declined twice when it was charged for the next periods: the subscription, the invoices.

    The first period is paid.
    """
    somebody = person()
    await somebody.add_card()
    subscription = await somebody.subscribe(price)
    await somebody.add_card("pm_card_chargeCustomerFail", default=True)
    invoices = []
    for _ in range(2):
        clock.current += timedelta(days=31)
        invoices.append({"id": await renew(subscription)})
    return somebody, subscription, invoices


async def status_of(somebody, subscription):
    return (await somebody.get(f"/v1/subscriptions/{subscription['id']}")).json()["status"]


async def test_a_subscription_is_active_again_when_the_last_invoice_that_it_owes_is_void(behind, waive, books):
    somebody, subscription, invoices = behind
    seen = [await status_of(somebody, subscription)]
    for invoice in invoices:
        await waive(invoice, "void")
        seen.append(await status_of(somebody, subscription))
    assert seen == ["past_due", "past_due", "active"]
    await books()


async def test_a_subscription_is_canceled_when_nobody_will_pay_what_it_owes(behind, waive, books):
    somebody, subscription, invoices = behind
    await waive(invoices[0], "mark-uncollectible")
    assert await status_of(somebody, subscription) == "canceled"
    await books()
