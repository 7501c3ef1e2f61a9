"""What billing tells again, for a consumer that starts anew: each thing as it was told last."""

import asyncio

import pytest

from billing.closing.dependencies import build, build_detachment
from core.ids import new_id, parse_id

# A database of its own: all that is in it is told again.
SETTINGS = {}

CARDS = ["pm_card_visa", "pm_card_visa_chargeDeclined", "pm_card_authenticationRequired", "pm_sandbox_async_ok"]
# What is done after the answer is nobody's concern but billing's.
DEFERRED = "('payment.settle', 'refund.settle', 'customer.close', 'customer.retry_due')"
TOLD = f"SELECT subject, type, sequence, data FROM outbox WHERE position > $1 AND type NOT IN {DEFERRED}"  # noqa: S608 - ours
LAST = f"SELECT DISTINCT ON (subject) * FROM ({TOLD}) AS told ORDER BY subject, sequence DESC"  # noqa: S608 - ours


@pytest.fixture(scope="module", autouse=True)
async def _trade(shop, price, make_price):
    """Purchases in every state: paid, declined, waiting for a word, free, on trial; who buys nothing, who leaves."""
    await shop.person().get("/v1/customers/me")
    for card in CARDS:
        buyer = shop.person()
        await buyer.add_card(card)
        await buyer.subscribe(price)
    for terms in ({"unit_amount": "0"}, {"trial_days": 14}):
        await shop.person().subscribe(await make_price(**terms))
    await shop.person().subscribe(await make_price(trial_days=14, entitlements={"projects": 3}))
    await given_back(shop, price)
    gone = shop.person()
    await gone.add_card("pm_card_visa_chargeDeclined")
    await gone.subscribe(price)
    await closed(shop, gone)


# A refund of each state.
REFUNDED_TO = ["pm_card_visa", "pm_sandbox_refund_fails", "pm_sandbox_refund_timeout_then_ok"]


async def given_back(shop, price):
    clerk = shop.person("billing:read", "billing:write")
    for card in REFUNDED_TO:
        buyer = shop.person()
        await buyer.add_card(card)
        invoice = (await buyer.subscribe(price))["latest_invoice"]
        lines = [{"invoice_line_id": line["id"], "net_amount": line["net"]} for line in invoice["lines"]]
        body = {"invoice_id": invoice["id"], "lines": lines, "reason": "Returned", "refund_amount": invoice["total"]}
        assert (await clerk.post("/v1/credit-notes", body)).status_code == 201


async def closed(shop, person):
    """What the erasure of a user does, as far as the announcement."""
    async with shop.resources.database.transaction() as session:
        await build(session, shop.resources).begin(parse_id("usr", person.subject))
    customer_id = parse_id("cus", (await person.get("/v1/customers/me")).json()["id"])
    await build_detachment(shop.resources).go_on(customer_id)


@pytest.fixture
def retell(shop):
    """`await retell(replay, 2)`: tells one kind of thing again, two of them at a time; gives their ids."""

    async def run(replay, limit):
        told = []
        while True:
            async with shop.resources.database.transaction() as session:
                page = await replay.retell(session, shop.resources, told[-1] if told else None, limit)
            told += page
            if len(page) < limit:
                return told

    return run


@pytest.fixture
def replay(shop):
    """`replay("invoices")`: how one kind of thing is told again."""
    return {each.name: each for each in shop.replays}.__getitem__


@pytest.fixture
def position(rows):
    """`await position()`: the last one in the outbox."""

    async def find():
        return (await rows("SELECT max(position) AS last FROM outbox"))[0]["last"]

    return find


async def test_each_thing_is_told_once_as_it_was_told_last(shop, rows, retell, position):
    before, last = await position(), await rows(LAST, 0)
    for each in shop.replays:
        told = await retell(each, 2)
        assert told == sorted(set(told))
        async with shop.resources.database.transaction() as session:
            assert await each.count(session, shop.resources) == len(told)
    assert await rows(f"{TOLD} ORDER BY subject", before) == last
    assert {event["type"] for event in last} == {
        "customer.created",
        "customer.closed",
        "entitlements.updated",
        "subscription.created",
        "subscription.activated",
        "subscription.canceled",
        "invoice.finalized",
        "invoice.paid",
        "invoice.voided",
        "payment.processing",
        "payment.succeeded",
        "payment.failed",
        "payment.requires_action",
        "credit_note.created",
        "refund.processing",
        "refund.succeeded",
        "refund.failed",
    }


async def test_a_draft_is_not_told(shop, rows, retell, replay):
    before = await retell(replay("invoices"), 100)
    await rows(
        """INSERT INTO invoices (id, customer_id, status, currency, subtotal_minor, tax_minor, total_minor,
        amount_due_minor, amount_paid_minor, period_start, period_end, sequence, created_at)
        SELECT $1, id, 'draft', 'EUR', 0, 0, 0, 0, 0, now(), now(), 0, now() FROM customers LIMIT 1""",
        new_id(),
    )
    assert await retell(replay("invoices"), 100) == before
    async with shop.resources.database.transaction() as session:
        assert await replay("invoices").count(session, shop.resources) == len(before)


@pytest.mark.parametrize(
    "name", ["customers", "entitlements", "subscriptions", "invoices", "payments", "refunds", "credit_notes"]
)
async def test_a_thing_that_is_being_changed_is_told_after_its_change(rows, retell, replay, becomes, shop, name):
    waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with shop.database.transaction():
        await rows(f"SELECT 1 FROM {name} FOR NO KEY UPDATE")  # noqa: S608 - ours
        telling = asyncio.create_task(retell(replay(name), 100))
        await becomes(lambda: rows(waiting))
        assert not telling.done()
    assert await telling
