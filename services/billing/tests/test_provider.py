"""The provider port and the sandbox behind it: called outside of transactions, charged once by its own books."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from billing.payments.provider import Outcome, PaymentMethodRefused, Provider

# A transaction that is open while the provider is asked would leave no connection to the sandbox.
SETTINGS = {"database": {"pool_size": 1}}
CHARGE = {"amount_minor": 1000, "currency": "EUR"}


@pytest.fixture
def provider(shop):
    return shop.resources[Provider]


async def test_the_provider_is_asked_while_no_connection_is_held(payer, make_price):
    subscription = await payer.subscribe(await make_price())
    assert subscription["status"] == "active"


async def test_a_payment_is_charged_once_however_often_it_is_asked_for(provider, rows):
    card = await provider.attach("pm_card_visa", method_id=uuid4())
    payment_id = uuid4()
    outcomes = [await provider.charge(payment_id, reference=card.reference, **CHARGE) for _ in range(3)]
    assert {outcome.status for outcome in outcomes} == {"succeeded"}
    assert len(await rows("SELECT 1 FROM sandbox_charges WHERE payment_id = $1", payment_id)) == 1
    assert await provider.fetch(payment_id) == outcomes[0]


async def test_what_was_never_charged_is_not_in_its_books(provider):
    assert await provider.fetch(uuid4()) is None


OUTCOMES = [
    ("pm_card_visa", "succeeded", "succeeded"),
    ("pm_card_visa_chargeDeclined", "failed", "failed"),
    ("pm_card_authenticationRequired", "requires_action", "requires_action"),
    ("pm_sandbox_timeout_then_ok", "unknown", "succeeded"),
    ("pm_sandbox_async_ok", "unknown", "succeeded"),
]


async def test_a_charge_ends_as_its_token_says(provider, subtests):
    for card, charged, fetched in OUTCOMES:
        with subtests.test(card=card):
            kept = await provider.attach(card, method_id=uuid4())
            payment_id = uuid4()
            assert (await provider.charge(payment_id, reference=kept.reference, **CHARGE)).status == charged
            assert (await provider.fetch(payment_id)).status == fetched
            assert (await provider.charge(payment_id, reference=kept.reference, **CHARGE)).status == fetched


async def test_the_failures_of_one_card_are_not_those_of_another(provider):
    cards = [await provider.attach("pm_sandbox_fail_n_1", method_id=uuid4()) for _ in range(2)]
    outcomes = [await provider.charge(uuid4(), reference=card.reference, **CHARGE) for card in cards * 2]
    assert [outcome.status for outcome in outcomes] == ["failed", "failed", "succeeded", "succeeded"]


async def test_a_method_that_was_given_up_is_charged_no_more(provider):
    card, other = [await provider.attach("pm_card_visa", method_id=uuid4()) for _ in range(2)]
    charged = uuid4()
    await provider.charge(charged, reference=card.reference, **CHARGE)
    for _ in range(2):
        await provider.detach(card.reference)
    assert await provider.charge(uuid4(), reference=card.reference, **CHARGE) == Outcome(
        "failed", "payment_method_detached"
    )
    for payment_id, reference in ((charged, card.reference), (uuid4(), other.reference)):
        assert (await provider.charge(payment_id, reference=reference, **CHARGE)).status == "succeeded"


async def test_a_token_that_stands_for_nothing_is_refused(provider, subtests):
    for unknown in ("pm_card_mars", "pm_sandbox_fail_n_0", "pm_sandbox_fail_n_22", "pm_card_visa/x"):
        with subtests.test(unknown=unknown), pytest.raises(PaymentMethodRefused):
            await provider.attach(unknown, method_id=uuid4())


async def test_what_a_charge_costs_is_a_rate_of_what_came_in(provider):
    kept = [await provider.attach(card, method_id=uuid4()) for card in ("pm_card_visa", "pm_sandbox_async_ok")]
    for amount, fee in ((1, 0), (33, 0), (34, 1), (100, 2), (1000, 15)):
        for card in kept:
            payment_id, asked = uuid4(), CHARGE | {"amount_minor": amount}
            await provider.charge(payment_id, reference=card.reference, **asked)
            assert await provider.fetch(payment_id) == Outcome("succeeded", fee_minor=fee)
    declined = await provider.attach("pm_card_visa_chargeDeclined", method_id=uuid4())
    assert (await provider.charge(uuid4(), reference=declined.reference, **CHARGE)).fee_minor == 0


DECLINES = {
    "pm_card_visa_chargeDeclined": Outcome("failed", "generic_decline", retryable=True),
    "pm_card_visa_chargeDeclinedInsufficientFunds": Outcome("failed", "insufficient_funds", retryable=True),
    "pm_card_visa_chargeDeclinedLostCard": Outcome("failed", "lost_card", retryable=False),
    "pm_card_chargeCustomerFail": Outcome("failed", "generic_decline", retryable=True),
}


async def test_it_says_whether_another_attempt_may_succeed(provider, subtests):
    for token, declined in DECLINES.items():
        with subtests.test(token=token):
            card = await provider.attach(token, method_id=uuid4())
            payment_id = uuid4()
            assert await provider.charge(payment_id, reference=card.reference, **CHARGE) == declined
            assert await provider.fetch(payment_id) == declined


async def test_a_charge_that_was_declined_does_not_arrive_later(provider):
    card = await provider.attach("pm_sandbox_async_ok", method_id=uuid4())
    await provider.detach(card.reference)
    payment_id = uuid4()
    await provider.charge(payment_id, reference=card.reference, **CHARGE)
    assert (await provider.fetch(payment_id)).status == "failed"


async def test_its_books_are_read_page_by_page_from_an_instant_on(provider):
    card = await provider.attach("pm_card_visa", method_id=uuid4())
    before = datetime.now(UTC)
    payments = [uuid4() for _ in range(3)]
    for payment_id in payments:
        await provider.charge(payment_id, reference=card.reference, **CHARGE)
    refund_id = uuid4()
    await provider.refund(refund_id, payment_id=payments[0], amount_minor=400, currency="EUR")
    lines, page = [], await provider.list_since(before, limit=3)
    while page:
        lines += page
        page = await provider.list_since(page[-1].created_at, after=page[-1].id, limit=3)
    assert [(each.kind, each.id, each.payment_id) for each in lines] == [
        *(("charge", payment_id, payment_id) for payment_id in payments),
        ("refund", refund_id, payments[0]),
    ]
    assert [(each.status, each.amount_minor, each.fee_minor, each.currency) for each in lines] == [
        *[("succeeded", 1000, 15, "EUR")] * 3,
        ("succeeded", 400, 0, "EUR"),
    ]
    assert await provider.list_since(lines[-1].created_at + timedelta(microseconds=1)) == []


async def test_the_sandbox_moves_no_money(provider):
    assert (provider.name, provider.moves_money) == ("sandbox", False)
