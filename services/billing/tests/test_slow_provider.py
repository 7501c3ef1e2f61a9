"""A provider that does not answer in time, or whose connection is lost: nothing is charged twice."""

import asyncio
from types import SimpleNamespace
from typing import cast
from uuid import uuid4

import pytest

from billing.payments.provider import Bounded, Outcome, Provider, RefundOutcome, Sandbox
from core.errors import Unavailable
from core.testing import problem

SETTINGS = {"provider_timeout_s": 7, "settle_after_s": 0.1}
pytestmark = pytest.mark.usefixtures("polled_often")
PAID = {"subscriptions": ["active"], "invoices": ["paid"], "payments": ["succeeded"], "charges": ["succeeded"]}


async def never(*_, **__):
    await asyncio.Event().wait()


async def late(*_, **__):
    raise TimeoutError


async def lost(*_, **__):
    raise ConnectionResetError


def silent(answer) -> Provider:
    """A provider all of whose answers are `answer`."""
    operations = ("attach", "detach", "charge", "fetch", "refund", "list_since")
    return cast("Provider", SimpleNamespace(**dict.fromkeys(operations, answer)))


MONEY = {"amount_minor": 1, "currency": "EUR"}
UNDECIDED = {
    "charge": (lambda provider: provider.charge(uuid4(), reference="card", **MONEY), Outcome("unknown")),
    "refund": (
        lambda provider: provider.refund(uuid4(), payment_id=uuid4(), **MONEY),
        RefundOutcome("processing"),
    ),
}
ASKED_AGAIN = {
    "attach": lambda provider: provider.attach("pm_card_visa", method_id=uuid4()),
    "detach": lambda provider: provider.detach("card"),
    "fetch": lambda provider: provider.fetch(uuid4()),
    "list_since": lambda provider: provider.list_since(None),
}


@pytest.mark.parametrize("answer", [never, lost])
@pytest.mark.parametrize("operation", UNDECIDED)
async def test_the_outcome_of_what_moves_money_is_unknown(operation, answer):
    ask, expected = UNDECIDED[operation]
    assert await ask(Bounded(silent(answer), timeout_s=0.01)) == expected


@pytest.mark.parametrize("answer", [never, lost])
@pytest.mark.parametrize("operation", ASKED_AGAIN)
async def test_what_moves_no_money_is_asked_again_as_a_whole(operation, answer):
    with pytest.raises(Unavailable):
        await ASKED_AGAIN[operation](Bounded(silent(answer), timeout_s=0.01))


async def test_the_time_limit_is_that_of_the_settings(shop):
    assert shop.resources[Provider].timeout_s == 7


@pytest.fixture
def settles(on_record, becomes):
    """`await settles(buyer)`: waits until all is paid, by one charge."""

    async def wait(somebody):
        async def is_paid():
            return await on_record(somebody) == PAID

        await becomes(is_paid)

    return wait


@pytest.mark.parametrize("answer", [late, lost])
@pytest.mark.parametrize("is_charged", [True, False])
async def test_a_charge_without_an_answer_is_settled_and_charged_once(
    payer, price, on_record, settles, monkeypatch, is_charged, answer
):
    charge = Sandbox.charge

    async def silent(sandbox, payment_id, **asked):
        if is_charged:
            await charge(sandbox, payment_id, **asked)
        return await answer()

    with monkeypatch.context() as patch:
        patch.setattr(Sandbox, "charge", silent)
        response = await payer.post("/v1/subscriptions", {"price_id": price["id"]})
        assert (response.status_code, response.json()["status"]) == (201, "incomplete")
        assert response.json()["latest_invoice"]["last_payment"]["status"] in {"processing", "succeeded"}
        assert len((await on_record(payer))["payments"]) == 1
    await settles(payer)


async def test_who_pays_while_the_provider_is_silent_is_told_to_wait(unpaid, becomes, on_record, monkeypatch):
    somebody, subscription = unpaid
    good = await somebody.add_card("pm_card_visa")
    path = f"/v1/invoices/{subscription['latest_invoice']['id']}/pay"
    with monkeypatch.context() as patch:
        for step in ("charge", "fetch"):
            patch.setattr(Sandbox, step, late)
        for _ in range(2):
            response = await somebody.post(path, {"payment_method_id": good})
            assert problem(response) == (409, "payment_in_progress")
        assert (await on_record(somebody))["payments"] == ["failed", "processing"]

    async def is_paid():
        return (await on_record(somebody))["payments"] == ["failed", "succeeded"]

    await becomes(is_paid)
    assert (await on_record(somebody))["charges"] == ["failed", "succeeded"]
