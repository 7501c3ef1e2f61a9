"""Previews: the invoice that a change would make, to the cent, and nothing else."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from billing.tables import Base
from core.testing import problem

START = datetime(2025, 6, 1, tzinfo=UTC)
MIDDLE = datetime(2025, 6, 16, 7, 53, 21, 123456, tzinfo=UTC)
END = datetime(2025, 7, 1, tzinfo=UTC)

WANTED = {
    "a higher price": {"unit_amount": "2533.3", "tax_rate": "0.09"},
    "a lower price": {"unit_amount": "333.5", "tax_rate": "0.21"},
    "another interval": {"unit_amount": "9999", "interval": "year", "tax_rate": "0.21"},
    "nothing to pay": {"unit_amount": "0"},
}
CASES = [
    *product(WANTED, ["invoice_now", "next_invoice", "none"], ["now"], ["after changes"]),
    *product(WANTED, ["invoice_now"], ["now"], ["fresh"]),
    *product(WANTED, ["invoice_now"], ["period_end"], ["after changes"]),
    ("a higher price", "next_invoice", "period_end", "fresh"),
    ("a lower price", "none", "period_end", "fresh"),
]
# Which is refused.
CASES.remove(("another interval", "next_invoice", "now", "after changes"))


def path(subscription):
    return f"/v1/subscriptions/{subscription['id']}"


def told(invoice):
    """What an invoice and its preview must agree on."""
    names = ("currency", "subtotal", "taxes", "total", "amount_due", "customer_id", "subscription_id")
    period = ("period_start", "period_end")
    lines = [{name: value for name, value in line.items() if name != "id"} for line in invoice["lines"]]
    return {name: invoice[name] for name in (*names, *period)} | {"lines": lines}


@pytest.fixture
async def subscription(payer, make_price, clock):
    """Three pieces since the beginning of a June, in whose midst it is now."""
    clock.current = START
    subscription = await payer.subscribe(await make_price(unit_amount="1111.1", tax_rate="0.21"), quantity=3)
    clock.current = MIDDLE
    return subscription


@pytest.fixture
def preview(payer):
    """`await preview(subscription, quantity=2)`: what is previewed."""

    async def run(subscription, **body):
        response = await payer.post("/v1/invoices/preview", {"subscription_id": subscription["id"]} | body, key=None)
        assert response.status_code == 200, response.text
        return response.json()

    return run


@pytest.fixture
def latest(payer):
    """`await latest(subscription)`: its last invoice."""

    async def run(subscription):
        return (await payer.get(path(subscription))).json()["latest_invoice"]

    return run


async def change(payer, subscription, **body):
    response = await payer.patch(path(subscription), body)
    assert response.status_code == 200, response.text


@pytest.mark.parametrize(("wanted", "proration", "effective", "before"), CASES, ids=map(", ".join, CASES))
async def test_a_preview_is_what_is_invoiced_after_the_change(
    payer, subscription, make_price, preview, latest, clock, next_period, wanted, proration, effective, before
):
    if before == "after changes":
        # Leaves something on the balance, and something for the next invoice.
        await change(payer, subscription, quantity=1)
        await change(payer, subscription, quantity=2, proration="next_invoice")
    body = {"price_id": (await make_price(**WANTED[wanted]))["id"], "proration": proration, "effective": effective}
    invoice = await latest(subscription)
    previewed = await preview(subscription, **body)
    await change(payer, subscription, **body)
    if (await latest(subscription))["id"] == invoice["id"]:
        clock.current = END
        await next_period(subscription)
    assert (await latest(subscription))["id"] != invoice["id"]
    assert told(previewed) == told(await latest(subscription))


async def test_a_preview_is_a_draft_without_id_and_number(subscription, preview):
    previewed = await preview(subscription, quantity=4)
    assert previewed["status"] == "draft"
    assert {"id", "number"}.isdisjoint(previewed)


@pytest.mark.parametrize("interval", ["month", "year"])
async def test_a_preview_of_another_instant_is_that_of_a_change_then(
    subscription, make_price, preview, payer, latest, clock, interval
):
    ahead, price = datetime(2025, 6, 24, 3, 2, 1, tzinfo=UTC), await make_price(interval=interval)
    previewed = await preview(subscription, price_id=price["id"], proration_at=ahead.isoformat())
    clock.current = ahead
    await change(payer, subscription, price_id=price["id"])
    assert told(previewed) == told(await latest(subscription))


async def test_the_instant_of_a_preview_makes_a_later_change_the_same(
    subscription, make_price, preview, payer, latest, clock
):
    yearly = await make_price(unit_amount="9999", interval="year")
    for body in ({"quantity": 4}, {"price_id": yearly["id"]}):
        body["proration_at"] = clock.current.isoformat()
        previewed = await preview(subscription, **body)
        clock.current = clock.current + timedelta(minutes=59)
        await change(payer, subscription, **body)
        assert previewed["total"] == (await latest(subscription))["total"]


async def test_without_a_change_the_next_invoice_is_previewed(subscription, preview, payer, latest, clock, next_period):
    await change(payer, subscription, quantity=5, effective="period_end")
    previewed = await preview(subscription)
    clock.current = END
    await next_period(subscription)
    assert told(previewed) == told(await latest(subscription))
    assert [line["quantity"] for line in previewed["lines"]] == ["5"]


async def test_what_ends_with_its_period_has_no_next_invoice_but_for_what_waits(subscription, preview, payer):
    await payer.post(f"{path(subscription)}/cancel", {"when": "period_end"})
    nothing = await preview(subscription)
    assert (nothing["lines"], nothing["total"]["amount"]) == ([], 0)
    assert (nothing["period_start"], nothing["period_end"]) == ("2025-06-01T00:00:00Z", "2025-07-01T00:00:00Z")
    await change(payer, subscription, quantity=4, proration="next_invoice")
    assert [line["proration"] for line in (await preview(subscription))["lines"]] == [True, True]


async def test_the_first_invoice_after_a_trial_is_previewed(buyer, make_price, clock):
    clock.current = START
    subscription = await buyer.subscribe(await make_price(unit_amount="700", trial_days=7))
    body = {"subscription_id": subscription["id"], "quantity": 2}
    (line,) = (await buyer.post("/v1/invoices/preview", body, key=None)).json()["lines"]
    assert (line["net"]["amount"], line["period_start"]) == (1400, "2025-06-08T00:00:00Z")
    assert line["period_end"] == "2025-07-08T00:00:00Z"


async def test_a_preview_has_no_effect(subscription, make_price, preview, payer, rows):
    await change(payer, subscription, quantity=2, proration="next_invoice")
    price = await make_price()
    before = await everything(rows)
    for body in ({"price_id": price["id"]}, {"quantity": 9, "proration": "next_invoice"}, {"effective": "period_end"}):
        await preview(subscription, **body)
    assert await everything(rows) == before


async def everything(rows):
    """All rows of all tables, and how much is announced."""
    found = {"outbox": await rows("SELECT count(*) FROM outbox")}
    for name in Base.metadata.tables:
        content = f"SELECT count(*), md5(string_agg(t::text, ' ' ORDER BY t::text)) FROM {name} t"  # noqa: S608 - ours
        found[name] = await rows(content)
    return found


async def test_who_is_no_customer_yet_does_not_become_one_by_it(subscription, buyer, rows):
    before = await rows("SELECT count(*) FROM customers")
    response = await buyer.post("/v1/invoices/preview", {"subscription_id": subscription["id"]}, key=None)
    assert problem(response) == (404, "subscription_not_found")
    assert await rows("SELECT count(*) FROM customers") == before


async def test_what_would_be_refused_is_refused(subscription, payer, make_price, clock, subtests):
    flat, yearly = await make_price(model="flat"), await make_price(interval="year")
    for body, refusal in [
        ({"price_id": flat["id"]}, (422, "quantity_not_allowed")),
        ({"price_id": yearly["id"], "proration": "next_invoice"}, (422, "proration_not_allowed")),
        ({"quantity": 2, "proration_at": "2025-07-01T00:00:00Z"}, (422, "instant_not_covered")),
        ({"quantity": 2, "proration_at": "2025-05-31T00:00:00Z"}, (422, "instant_not_covered")),
        ({"colour": "red"}, (422, "validation_failed")),
    ]:
        with subtests.test(body=body):
            response = await payer.post("/v1/invoices/preview", {"subscription_id": subscription["id"]} | body)
            assert problem(response) == refusal
    clock.current = END
    response = await payer.post("/v1/invoices/preview", {"subscription_id": subscription["id"], "quantity": 2})
    assert problem(response) == (409, "renewal_due")
