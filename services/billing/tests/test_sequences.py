"""Each change of state is told once: the sequences of each thing are 1, 2, 3 … and the last of them is how it is."""

from datetime import timedelta
from itertools import groupby

import pytest

from billing.closing.dependencies import build, build_detachment
from core.ids import parse_id

# A database of its own: all that is in it is told.
SETTINGS = {}
ANNOUNCED = """SELECT subject, type, sequence, data FROM outbox
    WHERE type = ANY($1) AND position > $2 ORDER BY subject, position"""
PAST_DUE, GIVEN_UP = "pm_card_visa_chargeDeclined", "pm_card_visa_chargeDeclinedLostCard"


@pytest.fixture
def announced(shop, rows):
    """`await announced(after=9)`: all that other services are told, subject by subject, each in order."""

    async def read(after=0):
        return await rows(ANNOUNCED, list(shop.resources.outbox.announced), after)

    return read


@pytest.fixture
def pays_with(rows):
    """`await pays_with(payer, token)`: their default from now on, which nobody is told of."""

    async def change(payer, token):
        method_id = parse_id("pm", await payer.add_card(token))
        mine = "customer_id = (SELECT customer_id FROM payment_methods WHERE id = $1)"
        for value in ("false", "id = $1"):
            await rows(f"UPDATE payment_methods SET is_default = {value} WHERE {mine}", method_id)  # noqa: S608 - ours
        return method_id

    return change


@pytest.fixture
async def subscription(payer, make_price, rows):
    """Two pieces, of a plan that gives something."""
    price = await make_price(tax_rate="0.21")
    entitled = """UPDATE plans SET entitlements = '{"seats": 3}' WHERE id = $1"""
    await rows(entitled, parse_id("plan", price["plan_id"]))
    return await payer.subscribe(price, quantity=2)


async def done(response):
    """The body of an answer that is no refusal."""
    answer = await response
    assert answer.status_code < 300, answer.text
    return answer.json()


@pytest.fixture
async def _changed(payer, subscription, next_period, clock):
    """Upgraded, about to be downgraded and to end, which is taken back; and renewed."""
    path = f"/v1/subscriptions/{subscription['id']}"
    await done(payer.patch(path, {"quantity": 3}))
    await done(payer.patch(path, {"quantity": 5, "proration": "next_invoice"}))
    await done(payer.patch(path, {"quantity": 1, "effective": "period_end"}))
    await done(payer.post(f"{path}/cancel", {"when": "period_end"}))
    await done(payer.post(f"{path}/resume"))
    clock.current += timedelta(days=31)
    await next_period(subscription)


@pytest.fixture
async def _behind(payer, bookkeeper, subscription, renew, pays_with, clock):
    """Declined, voided, paid by hand at last; declined for good, and written off."""
    await pays_with(payer, PAST_DUE)
    invoices = [await renew(subscription)]
    clock.current += timedelta(hours=1)
    invoices.append(await renew(subscription))
    await done(bookkeeper.post(f"/v1/invoices/{invoices[0]}/void"))
    for token in ("pm_card_authenticationRequired", "pm_card_visa"):
        method = {"payment_method_id": await payer.add_card(token)}
        await payer.post(f"/v1/invoices/{invoices[1]}/pay", method)
    clock.current += timedelta(hours=1)
    await pays_with(payer, GIVEN_UP)
    await renew(subscription)


@pytest.fixture
async def _given_back(person, bookkeeper, price):
    """Refunds that succeed and fail, of credit notes."""
    for token in ("pm_card_visa", "pm_sandbox_refund_fails"):
        buyer = person()
        await buyer.add_card(token)
        invoice = (await buyer.subscribe(price))["latest_invoice"]
        lines = [{"invoice_line_id": line["id"], "net_amount": line["net"]} for line in invoice["lines"]]
        note = {"invoice_id": invoice["id"], "lines": lines, "reason": "Returned", "refund_amount": invoice["total"]}
        await done(bookkeeper.post("/v1/credit-notes", note))


@pytest.fixture
async def _ended(shop, person, bookkeeper, unpaid, make_price):
    """Who never began, who is on trial, and who leaves."""
    _, incomplete = unpaid
    await done(bookkeeper.post(f"/v1/invoices/{incomplete['latest_invoice']['id']}/void"))
    await person().subscribe(await make_price(trial_days=14))
    leaver = person()
    await leaver.subscribe(await make_price(unit_amount="0"))
    async with shop.resources.database.transaction() as session:
        await build(session, shop.resources).begin(parse_id("usr", leaver.subject))
    customer_id = parse_id("cus", (await leaver.get("/v1/customers/me")).json()["id"])
    await build_detachment(shop.resources).go_on(customer_id)


@pytest.mark.usefixtures("_changed", "_behind", "_given_back", "_ended")
async def test_every_change_is_told_once_and_the_last_one_is_how_it_is(shop, announced, rows):
    told = await announced()
    assert {event["type"] for event in told} == set(shop.resources.outbox.announced)
    last = {}
    for subject, events in groupby(told, key=lambda event: event["subject"]):
        in_order = list(events)
        assert [event["sequence"] for event in in_order] == list(range(1, len(in_order) + 1)), subject
        last[subject] = in_order[-1]
    position = (await rows("SELECT max(position) FROM outbox"))[0]["max"]
    for replay in shop.replays:
        async with shop.resources.database.transaction() as session:
            await replay.retell(session, shop.resources, None, 1000)
    assert {event["subject"]: event for event in await announced(after=position)} == last
