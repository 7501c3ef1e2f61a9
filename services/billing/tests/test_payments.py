"""Payments over HTTP, for who keeps the books."""

import pytest

from core.ids import format_id, new_id
from core.testing import problem


@pytest.fixture
async def paid(payer, price):
    """Somebody who has paid, and the payment's id."""
    subscription = await payer.subscribe(price)
    return payer, subscription["latest_invoice"]["last_payment"]["id"], subscription["latest_invoice"]["id"]


async def test_a_payment_shows_its_fee_and_what_was_given_back(paid, keeper):
    somebody, payment_id, invoice_id = paid
    payment = (await keeper.get(f"/v1/payments/{payment_id}")).json()
    (method,) = (await somebody.get("/v1/payment-methods")).json()["data"]
    assert payment == {
        "id": payment_id,
        "invoice_id": invoice_id,
        "customer_id": (await somebody.get("/v1/customers/me")).json()["id"],
        "payment_method_id": method["id"],
        "status": "succeeded",
        "decline_code": None,
        "automatic": False,
        "amount": {"amount": 1000, "currency": "EUR"},
        "fee": {"amount": 15, "currency": "EUR"},
        "refunded": {"amount": 0, "currency": "EUR"},
        "created_at": payment["created_at"],
        "settled_at": payment["settled_at"],
    }


async def test_payments_are_found_by_invoice_customer_and_state(paid, unpaid, keeper):
    somebody, payment_id, invoice_id = paid
    other, subscription = unpaid
    declined = subscription["latest_invoice"]["last_payment"]["id"]
    me, them = [(await each.get("/v1/customers/me")).json()["id"] for each in (somebody, other)]

    async def found(**filters):
        return [each["id"] for each in (await keeper.get("/v1/payments", **filters)).json()["data"]]

    assert await found(invoice_id=invoice_id) == [payment_id]
    assert await found(customer_id=them) == [declined]
    assert await found(customer_id=them, status="failed") == [declined]
    assert await found(customer_id=me, status="failed") == []
    assert await found(customer_id=me, invoice_id=subscription["latest_invoice"]["id"]) == []


async def test_payments_are_listed_in_pages(buyer, price, keeper):
    await buyer.add_card("pm_sandbox_fail_n_1")
    invoice_id = (await buyer.subscribe(price))["latest_invoice"]["id"]
    assert (await buyer.post(f"/v1/invoices/{invoice_id}/pay")).status_code == 200
    first = (await keeper.get("/v1/payments", invoice_id=invoice_id, limit=1)).json()
    cursor = first["next_cursor"]
    rest = (await keeper.get("/v1/payments", invoice_id=invoice_id, limit=1, cursor=cursor)).json()
    assert [each["status"] for each in first["data"] + rest["data"]] == ["failed", "succeeded"]
    assert rest["next_cursor"] is None
    assert problem(await keeper.get("/v1/payments", cursor=cursor)) == (422, "invalid_cursor")


REFUSED = [{"status": "unknown"}, {"invoice_id": "inv_1"}, {"customer_id": "pay_1"}, {"amount": "1"}]


async def test_a_filter_that_cannot_be_is_refused(keeper, subtests):
    for filters in REFUSED:
        with subtests.test(filters=filters):
            assert problem(await keeper.get("/v1/payments", **filters)) == (422, "validation_failed")


async def test_a_payment_that_is_not_there_is_not_found(keeper):
    assert problem(await keeper.get(f"/v1/payments/{format_id('pay', new_id())}")) == (404, "payment_not_found")


async def test_payments_are_for_who_keeps_the_books(paid):
    somebody, payment_id, _ = paid
    for path in ("/v1/payments", f"/v1/payments/{payment_id}"):
        assert problem(await somebody.get(path)) == (403, "insufficient_scope")
