"""A process that dies between the steps of a purchase: the retry of the request goes on with it, and charges once."""

import asyncio
from datetime import timedelta

import pytest

from billing.collection.service import Collection
from billing.payments.provider import Sandbox
from billing.payments.repository import PaymentRepository
from core.idempotency import Claims, claims
from core.testing import problem

OPEN = {"subscriptions": ["incomplete"], "invoices": ["open"], "payments": ["processing"]}
PAID = {"subscriptions": ["active"], "invoices": ["paid"], "payments": ["succeeded"], "charges": ["succeeded"]}
STEPS = [
    pytest.param(Sandbox, "charge", [], id="before the provider is asked"),
    pytest.param(Collection, "settle", ["succeeded"], id="after the provider has charged"),
    pytest.param(Claims, "complete", ["succeeded"], id="when the answer is stored"),
]


@pytest.fixture
def lease_runs_out(rows):
    """The time after which another process takes over what a dead one had claimed."""
    return lambda: rows("UPDATE idempotency_keys SET leased_until = now()")


@pytest.fixture
def forget(rows):
    """The day after which a claim is forgotten."""
    return lambda: rows("DELETE FROM idempotency_keys")


@pytest.mark.parametrize(("kind", "step", "charged"), STEPS)
async def test_subscribing_goes_on(payer, price, on_record, crash, lease_runs_out, kind, step, charged):
    body = {"price_id": price["id"]}
    restart = crash(kind, step)
    assert problem(await payer.post("/v1/subscriptions", body, key="one")) == (500, "internal_error")
    assert await on_record(payer) == OPEN | {"charges": charged}
    restart()
    assert problem(await payer.post("/v1/subscriptions", body, key="one")) == (409, "idempotency_in_flight")
    await lease_runs_out()
    subscription = await payer.subscribe(price, key="one")
    assert subscription["status"] == "active"
    assert await on_record(payer) == PAID
    assert await payer.subscribe(price, key="one") == subscription


@pytest.mark.parametrize(("kind", "step", "charged"), STEPS)
async def test_paying_goes_on(unpaid, on_record, crash, lease_runs_out, kind, step, charged):
    buyer, subscription = unpaid
    path = f"/v1/invoices/{subscription['latest_invoice']['id']}/pay"
    body = {"payment_method_id": await buyer.add_card()}
    restart = crash(kind, step)
    assert problem(await buyer.post(path, body, key="one")) == (500, "internal_error")
    assert (await on_record(buyer))["charges"] == ["failed", *charged]
    restart()
    assert problem(await buyer.post(path, body)) == (409, "payment_in_progress")
    await lease_runs_out()
    assert (await buyer.post(path, body, key="one")).json()["status"] == "paid"
    assert await on_record(buyer) == {
        "subscriptions": ["active"],
        "invoices": ["paid"],
        "payments": ["failed", "succeeded"],
        "charges": ["failed", "succeeded"],
    }


@pytest.fixture
def attached():
    """The ids under which the provider was asked to keep a method."""
    asked, attach = [], Sandbox.attach

    async def listening(self, token, *, method_id):
        asked.append(method_id)
        return await attach(self, token, method_id=method_id)

    # Not by the `monkeypatch` of the test, which a restart undoes.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Sandbox, "attach", listening)
        yield asked


@pytest.mark.parametrize("end", ["lease_runs_out", "forget"])
async def test_the_provider_keeps_one_method_for_every_attempt(buyer, attached, crash, request, end):
    body = {"provider_token": "pm_card_visa"}
    restart = crash(PaymentRepository, "add")
    assert problem(await buyer.post("/v1/payment-methods", body, key="one")) == (500, "internal_error")
    restart()
    await request.getfixturevalue(end)()
    method = (await buyer.post("/v1/payment-methods", body, key="one")).json()
    assert (len(attached), len(set(attached))) == (2, 1)
    assert (await buyer.get("/v1/payment-methods")).json()["data"] == [method]
    await buyer.add_card()
    assert len(set(attached)) == 2


async def test_processes_that_take_over_from_each_other_charge_once(payer, price, on_record, monkeypatch):
    # Each claim may be taken over at once, while its owner still works: what a lease is too short for.
    monkeypatch.setattr(claims, "LEASE", timedelta(0))
    body = {"price_id": price["id"]}
    responses = await asyncio.gather(*(payer.post("/v1/subscriptions", body, key="one") for _ in range(8)))
    done = [response for response in responses if response.status_code == 201]
    assert done
    assert {problem(response) for response in responses if response not in done} <= {(409, "idempotency_in_flight")}
    assert {response.json()["status"] for response in done} == {"active"}
    assert await on_record(payer) == PAID


async def test_a_key_that_began_one_purchase_never_begins_another(payer, price, make_price, on_record, crash, forget):
    restart = crash(Sandbox, "charge")
    await payer.post("/v1/subscriptions", {"price_id": price["id"]}, key="one")
    restart()
    await forget()
    other = {"price_id": (await make_price())["id"]}
    response = await payer.post("/v1/subscriptions", other, key="one")
    assert problem(response) == (422, "idempotency_key_reused")
    assert await on_record(payer) == OPEN | {"charges": []}


async def test_a_key_that_began_one_payment_never_begins_another(unpaid, make_price, forget, on_record):
    buyer, first = unpaid
    second = await buyer.subscribe(await make_price())
    paths = [f"/v1/invoices/{each['latest_invoice']['id']}/pay" for each in (first, second)]
    await buyer.post(paths[0], key="one")
    await forget()
    assert problem(await buyer.post(paths[1], key="one")) == (422, "idempotency_key_reused")
    await forget()
    # The payment that the key began is over: its outcome is told, and nothing is charged.
    assert problem(await buyer.post(paths[0], key="one")) == (402, "payment_failed")
    assert (await on_record(buyer))["charges"] == ["failed"] * 3
