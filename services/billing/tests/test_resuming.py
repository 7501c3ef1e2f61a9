"""A key whose claim is gone before its purchase is over: the same request goes on with it, and no other does."""

import pytest

from billing.payments.provider import Sandbox
from core.errors import Unavailable
from core.testing import problem


@pytest.fixture
def given_back(monkeypatch):
    """`await given_back(buyer, path, body)`: the provider is away, and the request gives back its claim."""

    async def away(*_, **__):
        raise Unavailable

    async def leave(buyer, path, body):
        with monkeypatch.context() as patch:
            patch.setattr(Sandbox, "charge", away)
            assert problem(await buyer.post(path, body, key="one")) == (503, "unavailable")

    return leave


@pytest.fixture
def expired(crash, rows):
    """`await expired(buyer, path, body)`: the process dies, and a day later its claim counts no more."""

    async def leave(buyer, path, body):
        restart = crash(Sandbox, "charge")
        assert problem(await buyer.post(path, body, key="one")) == (500, "internal_error")
        restart()
        await rows("UPDATE idempotency_keys SET created_at = now() - interval '25 hours' WHERE key = 'one'")

    return leave


@pytest.fixture(params=["given_back", "expired"])
def leave(request):
    """`await leave(buyer, path, body)`: a request under the key `one` ends too early, and then its claim does."""
    return request.getfixturevalue(request.param)


async def test_the_same_subscription_goes_on(payer, price, leave, on_record):
    body = {"price_id": price["id"], "payment_method_id": await payer.add_card()}
    await leave(payer, "/v1/subscriptions", body)
    assert (await payer.subscribe(price, key="one", payment_method_id=body["payment_method_id"]))["status"] == "active"
    assert (await on_record(payer))["charges"] == ["succeeded"]


async def test_another_card_does_not_go_on_with_a_subscription(payer, price, leave, on_record):
    body = {"price_id": price["id"], "payment_method_id": await payer.add_card()}
    await leave(payer, "/v1/subscriptions", body)
    other = body | {"payment_method_id": await payer.add_card()}
    response = await payer.post("/v1/subscriptions", other, key="one")
    assert problem(response) == (422, "idempotency_key_reused")
    assert (await on_record(payer))["charges"] == []
    # And the refusal does not lock out the request that the key belongs to.
    assert (await payer.post("/v1/subscriptions", body, key="one")).status_code == 201
    assert (await on_record(payer))["charges"] == ["succeeded"]


async def test_a_card_that_was_not_named_before_does_not_go_on_with_a_subscription(payer, price, leave, on_record):
    await leave(payer, "/v1/subscriptions", {"price_id": price["id"]})
    other = {"price_id": price["id"], "payment_method_id": await payer.add_card()}
    response = await payer.post("/v1/subscriptions", other, key="one")
    assert problem(response) == (422, "idempotency_key_reused")
    assert (await on_record(payer))["charges"] == []


async def test_the_same_payment_goes_on(unpaid, leave, on_record):
    buyer, subscription = unpaid
    path, body = pay_path(subscription), {"payment_method_id": await buyer.add_card()}
    await leave(buyer, path, body)
    assert (await buyer.post(path, body, key="one")).json()["status"] == "paid"
    assert (await on_record(buyer))["charges"] == ["failed", "succeeded"]


async def test_another_card_does_not_go_on_with_a_payment(unpaid, leave, on_record):
    buyer, subscription = unpaid
    path = pay_path(subscription)
    await leave(buyer, path, {"payment_method_id": await buyer.add_card()})
    response = await buyer.post(path, {"payment_method_id": await buyer.add_card()}, key="one")
    assert problem(response) == (422, "idempotency_key_reused")
    assert (await on_record(buyer))["charges"] == ["failed"]


def pay_path(subscription):
    return f"/v1/invoices/{subscription['latest_invoice']['id']}/pay"
