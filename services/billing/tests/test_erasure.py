"""What is left of a customer who is closed: every column of every table is searched for what they were and typed."""

import pytest

from core.ids import parse_id
from core.testing import problem

# A database of its own, in which nobody else has the same cards.
SETTINGS = {"settle_after_s": 0.1}
pytestmark = pytest.mark.usefixtures("polled_often")

NAME, EMAIL = "Zebedee Quillfeather", "zebedee@quillfeather.example"
# Where the ids of customer and user may still be found, beside what the README says of each.
IDS_STAY = {
    ("balance_transactions", "customer_id"),
    ("credit_notes", "buyer"),
    ("credit_notes", "customer_id"),
    ("customers", "id"),
    ("entitlements", "customer_id"),
    ("customers", "user_id"),
    ("idempotency_keys", "body"),
    ("inbox", "data"),
    ("inbox", "subject"),
    ("inbox_sequences", "subject"),
    ("invoices", "buyer"),
    ("invoices", "customer_id"),
    ("ledger_entries", "customer_id"),
    ("outbox", "data"),
    ("outbox", "subject"),
    ("refunds", "customer_id"),
    ("subscriptions", "customer_id"),
}
# The books of the provider, which are its own.
PROVIDERS = {("sandbox_charges", "reference"), ("sandbox_detachments", "reference")}


@pytest.fixture
def found(rows):
    """`await found("text", …)`: the columns in which one of these texts is, be it in JSON or bytes."""

    async def search(*texts):
        columns = await rows(
            "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'public'"
        )
        assert len({each["table_name"] for each in columns}) > 15
        where = set()
        for each in columns:
            table, column = each["table_name"], each["column_name"]
            text = f"encode({column}, 'escape')" if each["data_type"] == "bytea" else f'"{column}"::text'
            hit = f"SELECT 1 FROM {table} WHERE {text} ILIKE ANY($1) LIMIT 1"  # noqa: S608 - the catalog's own names
            if await rows(hit, [f"%{each}%" for each in texts]):
                where.add((table, column))
        return where

    return search


@pytest.fixture
async def leaver(person, make_price, bookkeeper, renew, tell, rows):
    """Somebody who has left their name and address wherever a caller can type, and has bought, owed and failed to."""
    somebody = person()
    somebody.headers.update({"User-Agent": NAME, "X-Request-ID": "zebedee-quillfeather", "Referer": EMAIL})
    keys = iter([EMAIL, NAME, *(f"{EMAIL} {number}" for number in range(9))])
    for token in ("pm_card_visa", "pm_card_visa_chargeDeclined"):
        await somebody.post("/v1/payment-methods", {"provider_token": token, "default": True}, key=next(keys))
    for token in (EMAIL, NAME):
        refused = await somebody.post("/v1/payment-methods", {"provider_token": token}, key=next(keys))
        assert problem(refused) == (422, "payment_method_refused")
    methods = {each["last4"]: each["id"] for each in (await somebody.get("/v1/payment-methods")).json()["data"]}
    for terms, last4 in (({}, "4242"), ({}, "0002"), ({"trial_days": 14}, "4242")):
        price = await make_price(**terms)
        await rows(
            """UPDATE plans SET entitlements = '{"seats": 3}' WHERE id = $1""", parse_id("plan", price["plan_id"])
        )
        order = {"price_id": price["id"], "payment_method_id": methods[last4]}
        bought = (await somebody.post("/v1/subscriptions", order, key=next(keys))).json()
        if bought["status"] == "active":
            path, change = f"/v1/subscriptions/{bought['id']}", {"quantity": 2, "proration": "next_invoice"}
            assert (await somebody.patch(path, change, key=next(keys))).status_code == 200
            assert (await somebody.post(f"{path}/cancel", {"when": "period_end"}, key=next(keys))).status_code == 200
            await tell("charge.succeeded", {"id": bought["latest_invoice"]["last_payment"]["id"]})
        if bought["status"] == "incomplete":
            await renew(bought)
    await somebody.get("/v1/invoices", name=NAME)
    (paid,) = [each for each in (await somebody.get("/v1/invoices")).json()["data"] if each["status"] == "paid"]
    lines = [{"invoice_line_id": paid["lines"][0]["id"], "net_amount": {"amount": 500, "currency": "EUR"}}]
    back = {"refund_amount": {"amount": 200, "currency": "EUR"}}
    body = {"invoice_id": paid["id"], "lines": lines, "reason": "Returned", **back}
    assert (await bookkeeper.post("/v1/credit-notes", body)).status_code == 201
    return somebody


async def test_nothing_is_left_of_who_left_but_what_the_law_asks_for(shop, leaver, told, found, becomes, rows):
    user_id = parse_id("usr", leaver.subject)
    (customer,) = await rows("SELECT id FROM customers WHERE user_id = $1", user_id)
    customer_id = (await leaver.get("/v1/customers/me")).json()["id"]
    methods = await rows("SELECT id, reference, last4 FROM payment_methods WHERE customer_id = $1", customer["id"])
    typed = (NAME, EMAIL, "zebedee", "quillfeather")
    cards = [str(each[name]) for each in methods for name in ("id", "reference")]
    # The search finds what there is; a stored refusal has the id of its request.
    assert await found(*typed) == {("idempotency_keys", "key"), ("idempotency_keys", "body")}
    assert await found(*cards) > {
        ("payments", "reference"),
        ("payment_methods", "id"),
        ("subscription_changes", "terms"),
        ("subscriptions", "payment_method_id"),
    }
    assert await found(leaver.subject) > {("idempotency_keys", "scope")}

    await shop.bus.publish([told(leaver, "user.erasure_requested", 5)])
    closed = "SELECT 1 FROM customers WHERE id = $1 AND closed_at IS NOT NULL"
    await becomes(lambda: rows(closed, customer["id"]))

    assert await found(*typed) == set()
    assert await found(*cards) <= PROVIDERS
    assert await rows("SELECT 1 FROM payment_methods WHERE customer_id = $1", customer["id"]) == []
    assert await found(leaver.subject, customer_id, str(user_id), str(customer["id"])) == IDS_STAY


async def test_the_documents_stay_as_they_were(shop, leaver, told, becomes, rows):
    kept = """SELECT i.*, l.* FROM invoices i JOIN invoice_lines l ON l.invoice_id = i.id
        JOIN customers c ON c.id = i.customer_id WHERE c.user_id = $1 ORDER BY i.id, l.position"""
    user_id = parse_id("usr", leaver.subject)
    before = await rows(kept, user_id)
    await shop.bus.publish([told(leaver, "user.erasure_requested", 5)])
    await becomes(lambda: rows("SELECT 1 FROM customers WHERE user_id = $1 AND closed_at IS NOT NULL", user_id))
    after = await rows(kept, user_id)
    assert [each["status"] for each in after] == ["paid", "void", "void"]
    moved = {"status", "sequence", "next_attempt_at"}
    stayed = [
        [{name: each[name] for name in each.keys() - moved} for each in each_time] for each_time in (before, after)
    ]
    assert stayed[0] == stayed[1]
