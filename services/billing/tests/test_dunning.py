"""What happens when nobody could be charged: retries on a schedule, a subscription that is behind, and its end."""

from datetime import timedelta

import pytest

from billing.collection.dependencies import build_unattended
from billing.payments.provider import Sandbox
from core.ids import new_id, parse_id

# After the first failure; the first attempt is made at once.
DAYS = (0, 2, 7, 14, 21)
SECOND = timedelta(seconds=1)
PAID, GIVEN_UP = ("active", "paid"), ("canceled", "uncollectible")
# The card, how many attempts are made, and how it ends.
COURSES = [
    ("pm_sandbox_fail_n_1", 2, PAID),
    ("pm_sandbox_fail_n_2", 3, PAID),
    ("pm_sandbox_fail_n_3", 4, PAID),
    ("pm_sandbox_fail_n_4", 5, PAID),
    ("pm_sandbox_fail_n_5", 5, GIVEN_UP),
    ("pm_card_visa_chargeDeclined", 5, GIVEN_UP),
    ("pm_card_authenticationRequired", 5, GIVEN_UP),
    ("pm_card_visa_chargeDeclinedLostCard", 1, GIVEN_UP),
    (None, 5, GIVEN_UP),
]


@pytest.fixture
async def subscription(payer, price):
    """An active one, of somebody whose card works so far."""
    return await payer.subscribe(price)


@pytest.fixture
def pays_with(payer, rows):
    """`await pays_with(token)`: the customer's default from now on, which nobody is told of; None: there is none."""

    async def change(token):
        chosen = parse_id("pm", await payer.add_card(token)) if token else None
        mine = "customer_id = (SELECT id FROM customers WHERE user_id = $1)"
        user_id = parse_id("usr", payer.subject)
        await rows(f"UPDATE payment_methods SET is_default = false WHERE {mine}", user_id)  # noqa: S608 - ours
        await rows("UPDATE payment_methods SET is_default = true WHERE id = $1", chosen)

    return change


@pytest.fixture
async def owed(subscription, renew, pays_with):
    """The id of an invoice that could not be collected a moment ago."""
    await pays_with("pm_card_visa_chargeDeclined")
    return await renew(subscription)


@pytest.fixture
def retry(shop):
    """`await retry(invoice_id)`: what is done for an invoice of which an attempt may be due."""

    async def run(invoice_id):
        return await build_unattended(shop.resources).retry(parse_id("inv", invoice_id))

    return run


@pytest.fixture
def state(payer, subscription, rows):
    """`await state(invoice_id)`: how subscription and invoice are, and the attempts that failed."""

    async def read(invoice_id):
        (invoice,) = await rows("SELECT * FROM invoices WHERE id = $1", parse_id("inv", invoice_id))
        shown = (await payer.get(f"/v1/subscriptions/{subscription['id']}")).json()
        return (shown["status"], invoice["status"]), invoice["attempts"], invoice["next_attempt_at"]

    return read


@pytest.fixture
def told(rows):
    """`await told(subscription["id"])`: what was announced of something, in order."""

    async def read(subject):
        announced = await rows("SELECT type FROM outbox WHERE subject = $1 ORDER BY position", subject)
        return [each["type"] for each in announced]

    return read


@pytest.mark.parametrize(("card", "attempts", "end"), COURSES)
async def test_attempts_are_made_on_their_days_and_no_others(
    subscription, clock, pays_with, renew, retry, state, told, rows, balanced, card, attempts, end
):
    await pays_with(card)
    start = clock.now()
    invoice_id = await renew(subscription)
    for number, (day, following) in enumerate(zip(DAYS, [*DAYS[1:], 0], strict=True), start=1):
        if number == attempts:
            break
        until = start + timedelta(days=following)
        assert await state(invoice_id) == (("past_due", "open"), number, until), f"after {day} days"
        await balanced(subscription["customer_id"])
        clock.current = until - SECOND
        assert await retry(invoice_id) is None
        assert (await state(invoice_id))[1] == number
        clock.current = until
        await retry(invoice_id)
    assert await state(invoice_id) == (end, attempts - (end == PAID), None)
    clock.current = start + timedelta(days=40)
    assert await retry(invoice_id) is None
    tried = await rows("SELECT 1 FROM payments WHERE invoice_id = $1", parse_id("inv", invoice_id))
    assert len(tried) == (attempts if card else 0)
    last = "subscription.activated" if end == PAID else "subscription.canceled"
    assert (await told(subscription["id"]))[2:] == ["subscription.past_due", last]
    last = "invoice.paid" if end == PAID else "invoice.uncollectible"
    assert await told(invoice_id) == ["invoice.finalized", last]
    await balanced(subscription["customer_id"])


async def test_what_was_given_up_may_still_be_paid_and_the_subscription_has_ended(
    payer, subscription, renew, pays_with, state, balanced, rows
):
    await pays_with("pm_card_visa_chargeDeclinedLostCard")
    invoice_id = await renew(subscription)
    assert (await state(invoice_id))[0] == GIVEN_UP
    paid = await payer.post(f"/v1/invoices/{invoice_id}/pay", {"payment_method_id": await payer.add_card()})
    assert paid.json()["status"] == "paid"
    assert (await state(invoice_id))[0] == ("canceled", "paid")
    await balanced(subscription["customer_id"])
    written_off = """SELECT sum(amount_minor)::int FROM ledger_entries e JOIN ledger_transactions t
        ON t.id = e.transaction_id WHERE account = 'bad_debt' AND source = $1"""
    assert await rows(written_off, invoice_id) == [{"sum": 0}]


async def test_paid_by_hand_in_between_nothing_is_tried_again(payer, owed, clock, retry, state, rows):
    await payer.post(f"/v1/invoices/{owed}/pay", {"payment_method_id": await payer.add_card()})
    assert await state(owed) == (PAID, 1, None)
    clock.current += timedelta(days=2)
    assert await retry(owed) is None
    assert len(await rows("SELECT 1 FROM payments WHERE invoice_id = $1", parse_id("inv", owed))) == 2


async def test_a_payment_by_hand_that_is_declined_changes_nothing(payer, owed, state):
    before = await state(owed)
    await payer.post(
        f"/v1/invoices/{owed}/pay", {"payment_method_id": await payer.add_card("pm_card_visa_chargeDeclinedLostCard")}
    )
    assert await state(owed) == before


async def test_the_method_of_the_subscription_comes_before_the_default(payer, price, renew, rows):
    own = await payer.add_card()
    subscription = await payer.subscribe(price, payment_method_id=own)
    await payer.add_card("pm_card_visa_chargeDeclined", default=True)
    (payment,) = await rows("SELECT * FROM payments WHERE invoice_id = $1", parse_id("inv", await renew(subscription)))
    assert (payment["status"], payment["payment_method_id"]) == ("succeeded", parse_id("pm", own))
    assert payment["automatic"]


async def test_a_retry_while_a_payment_is_under_way_is_left_out(payer, owed, clock, retry, state, rows):
    late = await payer.add_card("pm_sandbox_async_ok")
    await payer.post(f"/v1/invoices/{owed}/pay", {"payment_method_id": late})
    clock.current += timedelta(days=2)
    assert await retry(owed) is None
    assert (await state(owed))[:2] == (("past_due", "open"), 1)
    assert len(await rows("SELECT 1 FROM payments WHERE invoice_id = $1", parse_id("inv", owed))) == 2


async def test_a_subscription_is_active_again_when_all_is_paid(payer, subscription, owed, clock, renew, state):
    clock.current += timedelta(days=1)
    second = await renew(subscription)
    good = {"payment_method_id": await payer.add_card()}
    await payer.post(f"/v1/invoices/{owed}/pay", good)
    assert (await state(owed))[0] == ("past_due", "paid")
    await payer.post(f"/v1/invoices/{second}/pay", good)
    assert (await state(second))[0] == PAID


async def test_a_retry_asks_for_what_remains(credit, subscription, clock, pays_with, renew, retry, state, balanced):
    await pays_with("pm_sandbox_fail_n_1")
    invoice_id = await renew(subscription)
    assert (await credit(invoice_id, 400)).status_code == 201
    clock.current += timedelta(days=2)
    payment = await retry(invoice_id)
    assert (payment.amount_minor, payment.status) == (600, "succeeded")
    assert (await state(invoice_id))[0] == PAID
    await balanced(subscription["customer_id"])


class TestANewDefault:
    @pytest.fixture
    def try_early(self, shop, subscription):
        """`await try_early(occasion)`: what is done when somebody has a new default method."""

        async def run(occasion=None):
            customer_id = parse_id("cus", subscription["customer_id"])
            await build_unattended(shop.resources).retry_early(customer_id, occasion=occasion or new_id())

        return run

    async def test_it_pays_at_once_what_could_not_be_collected(
        self, subscription, owed, clock, renew, pays_with, try_early, state, rows, balanced
    ):
        clock.current += timedelta(days=1)
        second = await renew(subscription)
        await pays_with("pm_card_visa")
        await try_early()
        assert [await state(each) for each in (owed, second)] == [(PAID, 1, None)] * 2
        await balanced(subscription["customer_id"])

    @pytest.mark.parametrize("card", ["pm_card_visa_chargeDeclined", "pm_card_visa_chargeDeclinedLostCard"])
    async def test_one_that_is_declined_leaves_the_schedule_as_it_is(
        self, owed, pays_with, try_early, state, rows, card
    ):
        before = await state(owed)
        await pays_with(card)
        await try_early()
        assert await state(owed) == before
        tried = await rows("SELECT status FROM payments WHERE invoice_id = $1", parse_id("inv", owed))
        assert [each["status"] for each in tried] == ["failed", "failed"]

    async def test_it_is_charged_once_however_often_it_is_told(self, owed, pays_with, try_early, state, rows):
        await pays_with("pm_card_visa_chargeDeclined")
        occasion = new_id()
        await try_early(occasion)
        await try_early(occasion)
        assert len(await rows("SELECT 1 FROM payments WHERE invoice_id = $1", parse_id("inv", owed))) == 2

    async def test_what_began_before_a_crash_goes_on(self, owed, pays_with, try_early, state, crash, died):
        await pays_with("pm_card_visa")
        occasion, restart = new_id(), crash(Sandbox, "charge")
        with pytest.raises(died):
            await try_early(occasion)
        restart()
        await try_early(occasion)
        assert await state(owed) == (PAID, 1, None)

    async def test_a_payment_under_way_is_waited_for(self, payer, owed, pays_with, try_early, state, rows):
        late = await payer.add_card("pm_sandbox_async_ok")
        await payer.post(f"/v1/invoices/{owed}/pay", {"payment_method_id": late})
        await pays_with("pm_card_visa")
        await try_early()
        assert len(await rows("SELECT 1 FROM payments WHERE invoice_id = $1", parse_id("inv", owed))) == 2

    async def test_what_is_owed_by_who_has_canceled_is_theirs_to_pay(
        self, payer, subscription, owed, pays_with, try_early, rows
    ):
        canceled = await payer.post(f"/v1/subscriptions/{subscription['id']}/cancel", {"when": "now"})
        assert canceled.json()["status"] == "canceled"
        await pays_with("pm_card_visa")
        await try_early()
        assert len(await rows("SELECT 1 FROM payments WHERE invoice_id = $1", parse_id("inv", owed))) == 1

    async def test_without_one_nothing_is_tried(self, owed, pays_with, try_early, state):
        before = await state(owed)
        await pays_with(None)
        await try_early()
        assert await state(owed) == before

    async def test_what_somebody_has_declined_to_pay_is_not_tried(self, shop, unpaid, rows):
        _, subscription = unpaid
        customer_id = parse_id("cus", subscription["customer_id"])
        await build_unattended(shop.resources).retry_early(customer_id, occasion=new_id())
        paid = "SELECT 1 FROM payments WHERE invoice_id = $1"
        assert len(await rows(paid, parse_id("inv", subscription["latest_invoice"]["id"]))) == 1

    async def test_the_news_of_it_come_as_an_event(self, shop, subscription, owed, pays_with, state, becomes):
        await pays_with("pm_card_visa")
        customer_id = subscription["customer_id"]
        async with shop.resources.database.transaction() as session:
            events = shop.resources.events(session)
            await events.emit("customer.retry_due", subject=f"{customer_id}/retry", data={"id": customer_id})

        async def is_paid():
            return (await state(owed))[0] == PAID

        await becomes(is_paid)
