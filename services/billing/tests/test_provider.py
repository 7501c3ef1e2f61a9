"""The provider port and the sandbox behind it: called outside of transactions, charged once by its own books."""

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
