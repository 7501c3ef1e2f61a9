"""A user who leaves: what they bought ends, money that is under way is booked, and users is answered."""

import asyncio
import json

import pytest

from billing.closing.service import Closing
from billing.payments.provider import Outcome, RefundOutcome, Sandbox
from core.errors import Unavailable
from core.ids import parse_id
from core.testing import problem

SETTINGS = {"settle_after_s": 0.1}
pytestmark = pytest.mark.usefixtures("polled_often")
GONE = {"subscriptions": ["canceled"], "invoices": ["void"], "payments": ["failed"], "charges": ["failed"]}
PAID = {"subscriptions": ["canceled"], "invoices": ["paid"], "payments": ["succeeded"], "charges": ["succeeded"]}


@pytest.fixture
def ask(shop, told):
    """`await ask(buyer)`: users asks for their erasure; what it has asked for before, it asks for anew."""
    asked = []

    async def publish(person, type_="user.erasure_requested"):
        asked.append(told(person, type_, len(asked) + 5))
        await shop.bus.publish([asked[-1]])

    return publish


@pytest.fixture
def answers(rows):
    """`await answers(buyer)`: what was announced of a user's customer, in order, as type and sequence."""

    async def find(person):
        announced = """SELECT type, sequence FROM outbox
        WHERE data ->> 'user_id' = $1 ORDER BY position"""
        found = await rows(announced, person.subject)
        return [(each["type"], each["sequence"]) for each in found]

    return find


@pytest.fixture
def customer_of(rows):
    async def find(person):
        found = await rows("SELECT * FROM customers WHERE user_id = $1", parse_id("usr", person.subject))
        return found[0] if found else None

    return find


@pytest.fixture
def closed(becomes, customer_of):
    """`await closed(buyer)`: waits until their customer is closed, and gives it."""

    async def wait(person):
        async def is_closed():
            customer = await customer_of(person)
            return customer if customer and customer["closed_at"] else None

        return await becomes(is_closed)

    return wait


@pytest.fixture
def looked_after(rows, becomes, customer_of):
    """`await looked_after(buyer, 2)`: waits until so many looks at a closing have ended, and says it is not over."""

    async def wait(person, count):
        subject = (await person.get("/v1/customers/me")).json()["id"] + "/closing"

        async def are_over():
            return (
                len(await rows("SELECT 1 FROM inbox WHERE subject = $1 AND handled_at IS NOT NULL", subject)) >= count
            )

        await becomes(are_over)
        customer = await customer_of(person)
        assert customer["closing_at"] is not None
        assert customer["closed_at"] is None

    return wait


CREATED, CLOSED = ("customer.created", 1), ("customer.closed", 2)


async def test_what_a_user_has_bought_ends_and_what_is_paid_stays(payer, price, make_price, ask, closed, rows, answers):
    subscription = await payer.subscribe(price)
    trial = await payer.subscribe(await make_price(trial_days=14))
    await ask(payer)
    await closed(payer)
    read = [(await payer.get(f"/v1/subscriptions/{each['id']}")).json() for each in (subscription, trial)]
    assert [(each["status"], each["payment_method_id"]) for each in read] == [("canceled", None)] * 2
    (invoice,) = (await payer.get("/v1/invoices")).json()["data"]
    assert invoice == subscription["latest_invoice"]
    assert (await payer.get("/v1/payment-methods")).json()["data"] == []
    told = await rows("SELECT type FROM outbox WHERE subject = $1 ORDER BY position", subscription["id"])
    assert [each["type"] for each in told][-1] == "subscription.canceled"
    assert await answers(payer) == [CREATED, CLOSED]


async def test_the_answer_names_customer_and_user(buyer, ask, closed, rows):
    customer_id = (await buyer.get("/v1/customers/me")).json()["id"]
    await ask(buyer)
    await closed(buyer)
    (answer,) = await rows("SELECT data FROM outbox WHERE type = 'customer.closed' AND subject = $1", customer_id)
    assert json.loads(answer["data"]) == {"id": customer_id, "user_id": buyer.subject}


async def test_an_unpaid_invoice_is_voided_and_no_longer_receivable(unpaid, ask, closed, on_record, rows, keeper):
    buyer, subscription = unpaid
    invoice_id = subscription["latest_invoice"]["id"]
    await ask(buyer)
    customer = await closed(buyer)
    assert await on_record(buyer) == GONE
    owed = "SELECT sum(amount_minor)::int FROM ledger_entries WHERE customer_id = $1"
    assert await rows(owed, customer["id"]) == [{"sum": 0}]
    told = await rows("SELECT type, sequence FROM outbox WHERE subject = $1 ORDER BY position", invoice_id)
    assert [tuple(each.values()) for each in told] == [("invoice.finalized", 1), ("invoice.voided", 2)]
    read = (await buyer.get(f"/v1/invoices/{invoice_id}")).json()
    assert (read["number"], read["lines"]) == (
        subscription["latest_invoice"]["number"],
        subscription["latest_invoice"]["lines"],
    )


async def test_a_draft_is_removed_with_its_lines(buyer, ask, closed, rows, customer_of):
    await buyer.get("/v1/customers/me")
    draft = """WITH draft AS (INSERT INTO invoices (id, customer_id, status, currency, subtotal_minor, tax_minor,
        total_minor, amount_due_minor, amount_paid_minor, period_start, period_end, sequence, created_at)
        VALUES (gen_random_uuid(), $1, 'draft', 'EUR', 0, 0, 0, 0, 0, now(), now(), 0, now()) RETURNING id)
        SELECT id FROM draft"""
    (row,) = await rows(draft, (await customer_of(buyer))["id"])
    line = """INSERT INTO invoice_lines (id, invoice_id, position, description, quantity, unit_amount, net_minor,
        tax_rate, tax_minor, proration, period_start, period_end)
        VALUES (gen_random_uuid(), $1, 0, 'One', 1, 1, 1, 0, 0, false, now(), now())"""
    await rows(line, row["id"])
    await ask(buyer)
    await closed(buyer)
    assert await rows("SELECT 1 FROM invoices WHERE id = $1", row["id"]) == []


async def test_a_user_who_is_no_customer_is_answered_and_becomes_none(shop, buyer, ask, told, closed, answers, becomes):
    await ask(buyer)
    await closed(buyer)
    for event in (told(buyer, "user.activated", 2, status="active"), told(buyer, "user.updated", 3, status="active")):
        await shop.bus.publish([event])
    await asyncio.gather(*(buyer.get("/v1/customers/me") for _ in range(3)))
    assert problem(await buyer.post("/v1/payment-methods", {"provider_token": "pm_card_visa"})) == (
        409,
        "customer_closed",
    )

    async def late_news_is_handled():
        return len(await handled_of(shop, buyer)) == 3

    await becomes(late_news_is_handled)
    assert set(await answers(buyer)) == {CREATED, CLOSED}
    assert (await answers(buyer))[:2] == [CREATED, CLOSED]


async def handled_of(shop, person):
    return await shop.database.fetch(
        "SELECT 1 FROM inbox WHERE subject = $1 AND handled_at IS NOT NULL", person.subject
    )


async def test_who_asks_again_is_answered_again_and_nothing_else_happens(
    shop, unpaid, ask, closed, answers, becomes, on_record
):
    buyer, _ = unpaid
    await ask(buyer)
    customer = await closed(buyer)
    await ask(buyer)

    async def is_answered_again():
        return await answers(buyer) == [CREATED, CLOSED, CLOSED]

    await becomes(is_answered_again)
    assert await closed(buyer) == customer
    assert await on_record(buyer) == GONE


async def test_the_end_of_a_user_closes_what_was_not_asked_for(payer, price, ask, closed, on_record):
    await payer.subscribe(price)
    await ask(payer, "user.erased")
    await closed(payer)
    assert await on_record(payer) == PAID


async def test_a_suspended_user_keeps_what_they_have_bought(shop, payer, price, told, becomes):
    subscription = await payer.subscribe(price)
    await shop.bus.publish([told(payer, "user.suspended", 3, status="suspended")])
    await shop.bus.publish([told(payer, "user.updated", 4, status="suspended")])

    async def is_handled():
        return await handled_of(shop, payer)

    await becomes(is_handled)
    assert (await payer.get(f"/v1/subscriptions/{subscription['id']}")).json() == subscription


async def test_who_is_closed_buys_and_pays_nothing(unpaid, price, ask, closed, on_record):
    buyer, subscription = unpaid
    await ask(buyer)
    await closed(buyer)
    requests = [
        ("/v1/payment-methods", {"provider_token": "pm_card_visa"}),
        ("/v1/subscriptions", {"price_id": price["id"]}),
        (f"/v1/invoices/{subscription['latest_invoice']['id']}/pay", {}),
    ]
    for path, body in requests:
        assert problem(await buyer.post(path, body)) == (409, "customer_closed")
    assert await on_record(buyer) == GONE


async def test_a_method_that_is_added_meanwhile_is_detached_again(
    buyer, ask, closed, shop, rows, becomes, customer_of, monkeypatch
):
    given, attach = [], Sandbox.attach

    async def closed_meanwhile(self, token, *, method_id):
        given.append(await attach(self, token, method_id=method_id))
        await ask(buyer)
        await closed(buyer)
        return given[0]

    monkeypatch.setattr(Sandbox, "attach", closed_meanwhile)
    response = await buyer.post("/v1/payment-methods", {"provider_token": "pm_card_visa"})
    assert problem(response) == (409, "customer_closed")

    async def is_detached():
        return await rows("SELECT 1 FROM sandbox_detachments WHERE reference = $1", given[0].reference)

    async def is_forgotten():
        customer = await customer_of(buyer)
        return not await rows("SELECT 1 FROM payment_methods WHERE customer_id = $1", customer["id"])

    await becomes(is_detached)
    await becomes(is_forgotten)


async def test_a_payment_that_is_under_way_is_booked_before_the_answer(
    buyer, price, ask, closed, looked_after, on_record, rows, monkeypatch
):
    async def not_yet(*_):
        return Outcome("unknown")

    with monkeypatch.context() as patch:
        patch.setattr(Sandbox, "fetch", not_yet)
        await buyer.add_card("pm_sandbox_async_ok")
        await buyer.subscribe(price)
        await ask(buyer)
        await looked_after(buyer, 2)
        assert (await on_record(buyer))["subscriptions"] == ["canceled"]
        assert (await on_record(buyer))["invoices"] == ["open"]
        # Of what the provider is to be asked about, nothing is forgotten yet.
        assert len((await buyer.get("/v1/payment-methods")).json()["data"]) == 1
    customer = await closed(buyer)
    assert await on_record(buyer) == PAID
    owed = "SELECT sum(amount_minor)::int FROM ledger_entries WHERE customer_id = $1"
    assert await rows(owed, customer["id"]) == [{"sum": 0}]


async def test_a_refund_that_is_under_way_is_booked_before_the_answer(
    payer, bookkeeper, paid, ask, closed, looked_after, balanced, monkeypatch
):
    async def not_yet(*_, **__):
        return RefundOutcome("processing")

    invoice = await paid(payer, "1 1000 0.2")
    lines = [{"invoice_line_id": invoice["lines"][0]["id"], "net_amount": {"amount": 1000, "currency": "EUR"}}]
    part = {"amount": 900, "currency": "EUR"}
    with monkeypatch.context() as patch:
        patch.setattr(Sandbox, "refund", not_yet)
        body = {"invoice_id": invoice["id"], "lines": lines, "reason": "Returned", "refund_amount": part}
        note = (await bookkeeper.post("/v1/credit-notes", body)).json()
        await ask(payer)
        await looked_after(payer, 2)
    customer = await closed(payer)
    refund = (await bookkeeper.get(f"/v1/refunds/{note['refund']['id']}")).json()
    assert refund["status"] == "succeeded"
    # The rest is owed to them still.
    assert customer["balance_minor"] == 300
    await balanced(invoice["customer_id"])


@pytest.mark.parametrize(("before", "after", "balance"), [(3, 1, True), (1, 3, False)])
async def test_what_waits_for_an_invoice_is_given_back_and_never_asked_for(
    payer, price, ask, closed, rows, balanced, before, after, balance
):
    subscription = await payer.subscribe(price, quantity=before)
    change = {"quantity": after, "proration": "next_invoice"}
    assert (await payer.patch(f"/v1/subscriptions/{subscription['id']}", change)).status_code == 200
    assert len(
        await rows("SELECT 1 FROM pending_items WHERE subscription_id = $1", parse_id("sub", subscription["id"]))
    )
    await ask(payer)
    customer = await closed(payer)
    assert (customer["balance_minor"] > 0) is balance
    for table in ("pending_items", "subscription_changes"):
        left = f"SELECT 1 FROM {table} WHERE subscription_id = $1"  # noqa: S608 - ours
        assert await rows(left, parse_id("sub", subscription["id"])) == []
    assert {each["status"] for each in (await payer.get("/v1/invoices")).json()["data"]} == {"paid"}
    await balanced(subscription["customer_id"])


async def test_what_was_behind_is_voided_and_what_was_given_up_stays_so(
    payer, price, make_price, bookkeeper, ask, closed, renew, rows, balanced
):
    subscriptions = [await payer.subscribe(price), await payer.subscribe(await make_price())]
    await rows("UPDATE payment_methods SET is_default = false")
    behind, given_up = [await renew(each) for each in subscriptions]
    assert (await bookkeeper.post(f"/v1/invoices/{given_up}/mark-uncollectible")).status_code == 200
    await ask(payer)
    await closed(payer)
    left = "SELECT status, next_attempt_at FROM invoices WHERE id = $1"
    read = [await rows(left, parse_id("inv", each)) for each in (behind, given_up)]
    assert read == [[{"status": status, "next_attempt_at": None}] for status in ("void", "uncollectible")]
    await balanced(subscriptions[0]["customer_id"])


async def test_what_was_not_charged_before_is_not_charged_after(payer, price, ask, closed, crash, on_record):
    restart = crash(Sandbox, "charge")
    assert problem(await payer.post("/v1/subscriptions", {"price_id": price["id"]})) == (500, "internal_error")
    with pytest.MonkeyPatch.context() as patch:
        restart()
        detached, fetch = asyncio.Event(), Sandbox.fetch

        async def after_that(self, payment_id):
            await detached.wait()
            return await fetch(self, payment_id)

        detach = Sandbox.detach

        async def listening(self, reference):
            await detach(self, reference)
            detached.set()

        patch.setattr(Sandbox, "fetch", after_that)
        patch.setattr(Sandbox, "detach", listening)
        await ask(payer)
        await closed(payer)
    assert await on_record(payer) == GONE


async def test_a_provider_that_is_away_keeps_everything_until_it_is_back(
    payer, price, ask, closed, looked_after, monkeypatch
):
    await payer.subscribe(price)
    await payer.add_card()
    detach, calls = Sandbox.detach, []

    async def away_for_the_second(self, reference):
        calls.append(reference)
        if reference != calls[0]:
            raise Unavailable
        await detach(self, reference)

    with monkeypatch.context() as patch:
        patch.setattr(Sandbox, "detach", away_for_the_second)
        await ask(payer)
        # Looked after, not retried: a delivery is given up some day, a new look never.
        await looked_after(payer, 2)
        assert len((await payer.get("/v1/payment-methods")).json()["data"]) == 2
    await closed(payer)
    assert (await payer.get("/v1/payment-methods")).json()["data"] == []


@pytest.mark.parametrize("step", ["begin", "go_on"])
async def test_a_closing_that_dies_on_its_way_is_done_once(
    payer, price, ask, closed, answers, on_record, rows, becomes, monkeypatch, step
):
    await payer.subscribe(price)
    work, died = getattr(Closing, step), []

    async def once_more(self, *args, **more):
        await work(self, *args, **more)
        if not died:
            died.append(True)
            raise RuntimeError("after all was written")

    monkeypatch.setattr(Closing, step, once_more)
    await ask(payer)

    async def has_died():
        return await rows("UPDATE inbox SET due_at = now() WHERE last_error IS NOT NULL RETURNING 1")

    await becomes(has_died)
    await closed(payer)
    assert await answers(payer) == [CREATED, CLOSED]
    assert await on_record(payer) == PAID


async def test_buying_and_leaving_at_once_leaves_nothing_behind(
    person, price, make_price, ask, closed, on_record, rows
):
    other = await make_price()
    people = [person() for _ in range(4)]
    for each in people:
        await each.add_card()
    work = []
    for each in people:
        work += [
            each.post("/v1/subscriptions", {"price_id": price["id"]}),
            ask(each),
            each.post("/v1/subscriptions", {"price_id": other["id"]}),
            each.post("/v1/payment-methods", {"provider_token": "pm_card_visa"}),
        ]
    await asyncio.gather(*work)
    for each in people:
        customer = await closed(each)
        left = await on_record(each)
        assert set(left["subscriptions"]) <= {"canceled"}
        assert set(left["invoices"]) <= {"paid", "void"}
        owed = "SELECT coalesce(sum(amount_minor), 0)::int AS sum FROM ledger_entries WHERE customer_id = $1"
        assert await rows(owed, customer["id"]) == [{"sum": 0}]
