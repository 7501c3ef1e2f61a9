"""What was taken back, or never paid, is not given back again when a subscription changes."""

from datetime import UTC, datetime

import pytest

from core.ids import parse_id

# In a shop of its own: invoices are numbered by the year, and most are of this one.
SETTINGS: dict[str, object] = {}
START = datetime(2025, 6, 1, tzinfo=UTC)
# 20 and 15 of 30 days are left.
ELEVENTH, MIDDLE = datetime(2025, 6, 11, tzinfo=UTC), datetime(2025, 6, 16, tzinfo=UTC)


@pytest.fixture
async def subscription(payer, make_price, clock):
    """One piece for 3000 a month, paid."""
    clock.current = START
    return await payer.subscribe(await make_price(unit_amount="3000"))


@pytest.fixture
def change(payer, subscription):
    """`await change(quantity=2)`: the net amounts of the lines that it makes, and the state of their invoice."""

    async def run(**wanted):
        response = await payer.patch(f"/v1/subscriptions/{subscription['id']}", wanted)
        assert response.status_code == 200, response.text
        invoice = response.json()["latest_invoice"]
        return [line["net"]["amount"] for line in invoice["lines"]], invoice["status"]

    return run


@pytest.fixture
def latest(payer, subscription):
    """`await latest()`: the last invoice of the subscription."""

    async def read():
        return (await payer.get(f"/v1/subscriptions/{subscription['id']}")).json()["latest_invoice"]

    return read


@pytest.fixture
def take_back(bookkeeper):
    """`await take_back(invoice, 1500)`: a credit note of so many cents of its lines, the first ones first."""

    async def run(invoice, *cents, status=201):
        lines = [
            {"invoice_line_id": line["id"], "net_amount": {"amount": amount, "currency": "EUR"}}
            for line, amount in zip(invoice["lines"], cents, strict=False)
            if amount
        ]
        note = {"invoice_id": invoice["id"], "lines": lines, "reason": "Returned"}
        response = await bookkeeper.post("/v1/credit-notes", note)
        assert response.status_code == status, response.text

    return run


@pytest.fixture
def balance(rows, subscription):
    """`await balance()`: what the customer has in credit."""

    async def read():
        customer_id = parse_id("cus", subscription["customer_id"])
        return (await rows("SELECT balance_minor FROM customers WHERE id = $1", customer_id))[0]["balance_minor"]

    return read


@pytest.mark.parametrize(
    ("notes", "credit"),
    [([], -1500), ([1000], -1000), ([1000, 1000], -500), ([2999], -1), ([3000], 0), ([1500, 1500], 0)],
)
async def test_what_a_credit_note_took_back_is_not_given_back_again(
    subscription, change, take_back, clock, books, notes, credit
):
    for cents in notes:
        await take_back(subscription["latest_invoice"], cents)
    clock.current = MIDDLE
    (given_back, charged), _ = await change(quantity=2)
    assert (given_back, charged) == (credit, 3000)
    await books()


async def test_of_an_earlier_line_the_share_counts_that_lies_in_what_is_covered_now(
    subscription, change, take_back, clock, balance
):
    clock.current = ELEVENTH
    assert (await change(quantity=3))[0] == [-2000, 6000]
    # 2000 of it have been given back already: what is left of the other charge is less by as much.
    await take_back(subscription["latest_invoice"], 3000)
    assert await balance() == 3000
    lines, _ = await change(quantity=1)
    assert lines == [-4000, 2000]


async def test_a_change_that_was_taken_back_leaves_what_was_paid_before(change, latest, take_back, clock):
    clock.current = ELEVENTH
    await change(quantity=3)
    await take_back(await latest(), -2000, 6000)
    lines, _ = await change(quantity=1)
    assert lines == [-2000, 2000]


async def test_what_was_taken_back_of_a_period_that_is_over_changes_nothing(
    subscription, change, take_back, clock, run_biller
):
    clock.current = datetime(2025, 7, 1, tzinfo=UTC)
    await run_biller()
    await take_back(subscription["latest_invoice"], 3000)
    lines, _ = await change(quantity=2)
    assert lines == [-3000, 6000]


async def test_what_waits_for_the_next_invoice_was_charged_all_the_same(subscription, change, take_back, clock):
    clock.current = MIDDLE
    await change(quantity=2, proration="next_invoice")
    await take_back(subscription["latest_invoice"], 3000)
    lines, _ = await change(quantity=1)
    assert lines == [-1500, 3000, -1500, 1500]


async def test_of_what_waits_for_the_next_invoice_no_more_is_taken_back(
    subscription, change, make_price, take_back, clock
):
    clock.current = MIDDLE
    cheap = await make_price(unit_amount="500")
    await change(price_id=cheap["id"], proration="next_invoice")
    await take_back(subscription["latest_invoice"], 1751, status=409)
    await take_back(subscription["latest_invoice"], 1750)


async def test_of_what_a_cheaper_price_leaves_no_more_is_taken_back(
    subscription, change, make_price, take_back, clock, balance, books
):
    clock.current = MIDDLE
    cheap = await make_price(unit_amount="500")
    assert (await change(price_id=cheap["id"]))[0] == [-1500, 250]
    await take_back(subscription["latest_invoice"], 1751, status=409)
    assert await balance() == 1250
    await take_back(subscription["latest_invoice"], 1750)
    assert await balance() == 3000
    assert (await change(price_id=subscription["price_id"]))[0] == [0, 1500]
    await books()


@pytest.fixture
async def declined(payer):
    """`await declined()`: from now on nothing can be charged."""

    async def run():
        await payer.add_card("pm_card_chargeCustomerFail", default=True)

    return run


async def test_a_change_that_was_voided_leaves_what_was_paid_before(
    change, latest, declined, bookkeeper, payer, clock, books
):
    await declined()
    clock.current = ELEVENTH
    assert await change(quantity=3) == ([-2000, 6000], "open")
    await bookkeeper.post(f"/v1/invoices/{(await latest())['id']}/void")
    lines, _ = await change(quantity=1)
    assert lines == [-2000, 2000]
    await books()


@pytest.mark.parametrize("noted", [0, 1000])
async def test_a_period_that_was_voided_is_given_back_to_nobody(
    change, latest, declined, take_back, bookkeeper, clock, run_biller, balance, noted
):
    await declined()
    clock.current = datetime(2025, 7, 1, tzinfo=UTC)
    await run_biller()
    invoice = await latest()
    assert invoice["status"] == "open"
    if noted:
        await take_back(invoice, noted)
    await bookkeeper.post(f"/v1/invoices/{invoice['id']}/void")
    lines, status = await change(quantity=2)
    assert (lines, status) == ([0, 6000], "open")
    assert await balance() == 0
