"""Payment methods that go, and the one that is charged from now on."""

import asyncio
from datetime import timedelta

import pytest

from billing.payments.provider import Sandbox
from billing.payments.service import Removal
from core.errors import Unavailable
from core.ids import format_id, new_id, parse_id
from core.testing import problem

SETTINGS = {"settle_after_s": 0.1}
pytestmark = pytest.mark.usefixtures("polled_often")


@pytest.fixture
def remove(shop):
    """`await remove(buyer, method_id)`: the answer to who removes a method."""

    async def run(somebody, method_id):
        return await shop.client.delete(f"/v1/payment-methods/{method_id}", headers=somebody.headers)

    return run


@pytest.fixture
def gone(rows):
    """Whether nothing is left of a method, and the provider has given it up."""

    async def check(method_id, reference):
        left = await rows("SELECT 1 FROM payment_methods WHERE id = $1", parse_id("pm", method_id))
        return not left and await rows("SELECT 1 FROM sandbox_detachments WHERE reference = $1", reference)

    return check


@pytest.fixture
def reference_of(rows):
    async def read(method_id):
        (row,) = await rows("SELECT reference FROM payment_methods WHERE id = $1", parse_id("pm", method_id))
        return row["reference"]

    return read


async def test_a_method_is_read_by_its_owner_alone(payer, buyer):
    (method,) = (await payer.get("/v1/payment-methods")).json()["data"]
    path = f"/v1/payment-methods/{method['id']}"
    assert (await payer.get(path)).json() == method
    assert problem(await buyer.get(path)) == (404, "payment_method_not_found")


async def test_a_method_that_nothing_needs_is_gone_at_once_and_then_at_the_provider(
    payer, price, remove, gone, reference_of, becomes, rows, keeper
):
    (used,) = (await payer.get("/v1/payment-methods")).json()["data"]
    payment = (await payer.subscribe(price))["latest_invoice"]["last_payment"]
    other = await payer.add_card(default=True)
    reference = await reference_of(used["id"])
    response = await remove(payer, used["id"])
    assert (response.status_code, response.content) == (204, b"")
    assert [each["id"] for each in (await payer.get("/v1/payment-methods")).json()["data"]] == [other]
    assert problem(await payer.get(f"/v1/payment-methods/{used['id']}")) == (404, "payment_method_not_found")
    assert problem(await remove(payer, used["id"])) == (404, "payment_method_not_found")
    assert (await keeper.get(f"/v1/payments/{payment['id']}")).json()["payment_method_id"] is None
    assert await rows("SELECT 1 FROM payments WHERE reference = $1", reference) == []
    await becomes(lambda: gone(used["id"], reference))


async def test_what_was_removed_is_told_by_its_id_alone(payer, remove, gone, reference_of, becomes, rows):
    (method,) = (await payer.get("/v1/payment-methods")).json()["data"]
    reference = await reference_of(method["id"])
    await remove(payer, method["id"])
    await becomes(lambda: gone(method["id"], reference))
    (told,) = await rows("SELECT data FROM outbox WHERE subject = $1", method["id"])
    assert reference not in told["data"]


async def test_the_default_leaves_none_until_another_is_named(payer, price, remove, monkeypatch):
    async def away(*_):
        raise Unavailable

    # Its row is still there.
    monkeypatch.setattr(Sandbox, "detach", away)
    (method,) = (await payer.get("/v1/payment-methods")).json()["data"]
    second = await payer.add_card()
    assert (await remove(payer, method["id"])).status_code == 204
    assert [each["default"] for each in (await payer.get("/v1/payment-methods")).json()["data"]] == [False]
    assert problem(await payer.post("/v1/subscriptions", {"price_id": price["id"]})) == (409, "payment_method_required")
    named = await payer.post(f"/v1/payment-methods/{second}/default")
    assert (named.status_code, named.json()["default"]) == (200, True)
    assert (await payer.subscribe(price))["status"] == "active"


async def test_a_method_whose_payment_is_under_way_stays(payer, bill, remove, undecided):
    named = await payer.add_card("pm_sandbox_async_ok")
    invoice = await bill(payer, "1 1000 0")
    paying = await payer.post(f"/v1/invoices/{invoice['id']}/pay", {"payment_method_id": named})
    assert problem(paying) == (409, "payment_in_progress")
    assert problem(await remove(payer, named)) == (409, "payment_method_in_use")


@pytest.fixture
def undecided(monkeypatch):
    """The provider does not know yet, however often it is asked."""

    async def not_yet(*_):
        raise Unavailable

    monkeypatch.setattr(Sandbox, "fetch", not_yet)


async def test_a_method_that_a_live_subscription_names_stays(payer, make_price, remove):
    named = await payer.add_card()
    price = await make_price(trial_days=14)
    await payer.subscribe(price, payment_method_id=named)
    assert problem(await remove(payer, named)) == (409, "payment_method_in_use")
    # The default is not needed by it.
    (default,) = [each for each in (await payer.get("/v1/payment-methods")).json()["data"] if each["default"]]
    assert (await remove(payer, default["id"])).status_code == 204


async def test_the_default_stays_while_something_live_needs_it(payer, make_price, remove):
    (default,) = (await payer.get("/v1/payment-methods")).json()["data"]
    other = await payer.add_card()
    await payer.subscribe(await make_price(trial_days=14))
    assert problem(await remove(payer, default["id"])) == (409, "payment_method_in_use")
    assert (await remove(payer, other)).status_code == 204
    third = await payer.add_card(default=True)
    assert (await remove(payer, default["id"])).status_code == 204
    assert [each["id"] for each in (await payer.get("/v1/payment-methods")).json()["data"]] == [third]


async def test_the_default_stays_while_an_invoice_waits_for_its_money(payer, bill, remove):
    (default,) = (await payer.get("/v1/payment-methods")).json()["data"]
    invoice = await bill(payer, "1 1000 0")
    assert problem(await remove(payer, default["id"])) == (409, "payment_method_in_use")
    assert (await payer.post(f"/v1/invoices/{invoice['id']}/pay")).status_code == 200
    assert (await remove(payer, default["id"])).status_code == 204


async def test_what_ended_forgets_what_it_was_paid_with(unpaid, remove, rows, shop):
    somebody, subscription = unpaid
    (method,) = (await somebody.get("/v1/payment-methods")).json()["data"]
    id_ = parse_id("sub", subscription["id"])
    await rows(
        "UPDATE subscriptions SET status = 'canceled', payment_method_id = $2 WHERE id = $1 RETURNING 1",
        id_,
        parse_id("pm", method["id"]),
    )
    await somebody.add_card(default=True)
    assert (await remove(somebody, method["id"])).status_code == 204
    assert await rows("SELECT payment_method_id FROM subscriptions WHERE id = $1", id_) == [{"payment_method_id": None}]


async def test_a_method_of_somebody_else_is_not_there(payer, buyer, remove):
    (method,) = (await payer.get("/v1/payment-methods")).json()["data"]
    unknown = format_id("pm", new_id())
    for answer in (
        await remove(buyer, method["id"]),
        await remove(payer, unknown),
        await buyer.post(f"/v1/payment-methods/{method['id']}/default"),
    ):
        assert problem(answer) == (404, "payment_method_not_found")


async def test_a_default_needs_an_idempotency_key(payer):
    (method,) = (await payer.get("/v1/payment-methods")).json()["data"]
    answer = await payer.post(f"/v1/payment-methods/{method['id']}/default", key=None)
    assert problem(answer) == (400, "idempotency_key_required")


async def test_methods_made_the_default_at_once_leave_one(payer):
    methods = [await payer.add_card() for _ in range(6)]
    await asyncio.gather(*(payer.post(f"/v1/payment-methods/{method}/default") for method in methods))
    assert sum(each["default"] for each in (await payer.get("/v1/payment-methods")).json()["data"]) == 1


@pytest.mark.parametrize(("kind", "step"), [(Sandbox, "detach"), (Removal, "finish")])
async def test_a_removal_whose_process_died_goes_on(
    payer, remove, gone, reference_of, becomes, monkeypatch, kind, step
):
    reached, died = asyncio.Event(), RuntimeError("stands for a kill -9")
    proper = getattr(kind, step)

    async def die(*_):
        reached.set()
        raise died

    (method,) = (await payer.get("/v1/payment-methods")).json()["data"]
    reference = await reference_of(method["id"])
    with monkeypatch.context() as patch:
        patch.setattr(kind, step, die)
        assert (await remove(payer, method["id"])).status_code == 204
        await asyncio.wait_for(reached.wait(), 30)
        assert getattr(kind, step) is not proper
        assert await reference_of(method["id"]) == reference
    await becomes(lambda: gone(method["id"], reference))


async def test_a_provider_that_is_away_is_asked_again(payer, remove, gone, reference_of, becomes, rows, monkeypatch):
    async def away(*_):
        raise Unavailable

    (method,) = (await payer.get("/v1/payment-methods")).json()["data"]
    reference = await reference_of(method["id"])
    handled = "SELECT 1 FROM inbox WHERE subject = $1 AND handled_at IS NOT NULL"

    async def asked_twice():
        # Delivered, not retried: a delivery is given up some day, a new event never.
        return len(await rows(handled, method["id"])) >= 2

    with monkeypatch.context() as patch:
        patch.setattr(Sandbox, "detach", away)
        assert (await remove(payer, method["id"])).status_code == 204
        await becomes(asked_twice)
        assert await reference_of(method["id"]) == reference
    await becomes(lambda: gone(method["id"], reference))


async def test_who_leaves_in_between_leaves_nothing(
    shop, payer, remove, told, gone, reference_of, becomes, rows, monkeypatch
):
    async def away(*_):
        raise Unavailable

    (method,) = (await payer.get("/v1/payment-methods")).json()["data"]
    reference = await reference_of(method["id"])
    with monkeypatch.context() as patch:
        patch.setattr(Sandbox, "detach", away)
        assert (await remove(payer, method["id"])).status_code == 204
        await shop.bus.publish([told(payer, "user.erasure_requested", 5)])
        await becomes(
            lambda: rows(
                "SELECT 1 FROM customers WHERE user_id = $1 AND closing_at IS NOT NULL", parse_id("usr", payer.subject)
            )
        )
    await becomes(
        lambda: rows(
            "SELECT 1 FROM customers WHERE user_id = $1 AND closed_at IS NOT NULL", parse_id("usr", payer.subject)
        )
    )
    assert await gone(method["id"], reference)


@pytest.mark.parametrize("how", ["a new card", "another card"])
async def test_a_new_default_pays_what_is_past_due_at_once(person, price, how, becomes, rows, run_biller, clock):
    somebody = person()
    await somebody.add_card("pm_card_visa")
    good = await somebody.add_card("pm_card_visa")
    subscription = await somebody.subscribe(price)
    await somebody.add_card("pm_card_visa_chargeDeclined", default=True)
    clock.current += timedelta(days=32)
    path = f"/v1/subscriptions/{subscription['id']}"
    await run_biller()
    assert (await somebody.get(path)).json()["status"] == "past_due"
    if how == "a new card":
        await somebody.add_card("pm_card_visa", default=True)
    else:
        assert (await somebody.post(f"/v1/payment-methods/{good}/default")).status_code == 200

    async def is_active():
        return (await somebody.get(path)).json()["status"] == "active"

    await becomes(is_active)
    assert await rows("SELECT 1 FROM outbox WHERE type = 'customer.retry_due' AND subject LIKE '%/retry'")
