"""Whatever buyers, clerks, banks and time do, in whatever order: no money is lost, given twice or charged twice."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.biller.dependencies import build as build_biller
from billing.collection.dependencies import build_unattended
from billing.payments.provider import open_sandbox
from billing.refunds.dependencies import build_settlement
from billing.webhooks.dependencies import build_application

# All that was ever charged, given back and told: in a shop of its own.
SETTINGS = {}
START = datetime(2027, 1, 31, 10, tzinfo=UTC)
CARDS = (
    "pm_card_visa",
    "pm_sandbox_async_ok",
    "pm_sandbox_timeout_then_ok",
    "pm_sandbox_fail_n_2",
    "pm_card_visa_chargeDeclined",
    "pm_card_visa_chargeDeclinedLostCard",
    "pm_card_authenticationRequired",
    "pm_sandbox_refund_fails",
    "pm_sandbox_refund_timeout_then_ok",
)
PRICES: tuple[dict[str, object], ...] = (
    {"unit_amount": "1000", "tax_rate": "0.21"},
    {"unit_amount": "3333.3333", "tax_rate": "0.077"},
    {"unit_amount": "9999", "interval": "year"},
    {"unit_amount": "250", "trial_days": 9},
    {"unit_amount": "0"},
)
PRORATIONS = ("invoice_now", "invoice_now", "next_invoice", "none")
# Each finds what is wrong.
WRONG = {
    "what came in and is neither given back nor in credit is what invoices ask for that have taken it": """
        SELECT c.id, p.sum AS paid, r.sum AS refunded, c.balance_minor, i.sum AS asked FROM customers c
        LEFT JOIN (SELECT m.customer_id, sum(p.amount_minor) FROM payments p
            JOIN invoices m ON m.id = p.invoice_id WHERE p.status = 'succeeded' GROUP BY 1) p ON p.customer_id = c.id
        LEFT JOIN (SELECT customer_id, sum(amount_minor) FROM refunds WHERE status <> 'failed' GROUP BY 1) r
            ON r.customer_id = c.id
        LEFT JOIN (SELECT customer_id, sum(CASE WHEN status = 'paid'
                THEN total_minor - credited_net_minor - credited_tax_minor ELSE balance_applied_minor END)
            FROM invoices WHERE status IN ('open', 'paid', 'uncollectible') GROUP BY 1) i ON i.customer_id = c.id
        WHERE coalesce(p.sum, 0) - coalesce(r.sum, 0) - c.balance_minor <> coalesce(i.sum, 0)""",
    "nobody is given more than they have paid": """
        SELECT c.id, c.balance_minor FROM customers c WHERE c.balance_minor > (
            SELECT coalesce(sum(p.amount_minor - p.refunded_minor), 0) FROM payments p
            JOIN invoices i ON i.id = p.invoice_id WHERE i.customer_id = c.id AND p.status = 'succeeded')""",
    "what a change would give back was charged": """
        SELECT s.id, s.covered_net_minor, l.sum AS charged, n.sum AS noted, w.sum AS waits FROM subscriptions s
        LEFT JOIN LATERAL (SELECT sum(net_minor) FROM invoice_lines l JOIN invoices i ON i.id = l.invoice_id
            WHERE i.subscription_id = s.id AND l.period_end = s.covered_until
                AND i.status IN ('open', 'paid')) l ON true
        LEFT JOIN LATERAL (SELECT sum(n.net_minor) FROM credit_note_lines n
            JOIN invoice_lines l ON l.id = n.invoice_line_id JOIN invoices i ON i.id = l.invoice_id
            WHERE i.subscription_id = s.id AND l.period_end = s.covered_until
                AND i.status IN ('open', 'paid')) n ON true
        LEFT JOIN LATERAL (SELECT sum(round(quantity * unit_amount)) FROM pending_items p
            WHERE p.subscription_id = s.id AND p.period_end = s.covered_until) w ON true
        WHERE s.status IN ('active', 'past_due') AND s.covered_net_minor
            > coalesce(l.sum, 0) - coalesce(n.sum, 0) + coalesce(w.sum, 0)""",
    "what waits for a next invoice waits for one that comes": """
        SELECT s.id, s.status FROM pending_items p JOIN subscriptions s ON s.id = p.subscription_id
        WHERE s.status <> 'active'""",
    "the provider's books and the payments agree, but for what is under way": """
        SELECT c.payment_id, c.status, p.status FROM sandbox_charges c FULL JOIN payments p ON p.id = c.payment_id
        WHERE p.status <> 'processing' AND (c.status <> p.status OR c.amount_minor <> p.amount_minor)
            OR p.id IS NULL""",
    "an invoice is charged once": """
        SELECT p.invoice_id FROM payments p JOIN invoices i ON i.id = p.invoice_id WHERE p.status = 'succeeded'
        GROUP BY p.invoice_id, i.amount_due_minor HAVING count(*) > 1""",
    "nothing that is over is due for ever": """
        SELECT id, status FROM subscriptions WHERE cancel_at_period_end AND current_period_end <= $1
            AND status IN ('trialing', 'active', 'past_due')""",
}


class Trade:
    """A buyer, the clerk who keeps the books, and their bank."""

    def __init__(self, shop, prices, done):
        self.shop, self.prices, self.done = shop, prices, done
        self.buyer, self.clerk = shop.person(), shop.person("billing:read", "billing:write")
        self.held: list[Any] = []

    async def ask(self, name, response):
        """An answer, which is no failure: what is refused is refused with a reason."""
        answer = await response
        assert answer.status_code < 300 or answer.status_code in {402, 409, 422}, answer.text
        self.done[f"{name} {'refused' if answer.is_error else 'done'}"] += 1
        return answer.json()

    async def one(self, what, choice, **filters):
        """One of the buyer's."""
        all_ = await self.buyer.all(what)
        wanted = [each for each in all_ if all(each[name] in values for name, values in filters.items())]
        return wanted[choice % len(wanted)] if wanted else None

    async def card(self, a, b):
        await self.buyer.add_card(CARDS[a % len(CARDS)], default=b % 4 > 0)

    async def bill(self, a, b):
        customer_id = (await self.buyer.get("/v1/customers/me")).json()["id"]
        draft = await self.ask("bill", self.clerk.post("/v1/invoices", {"customer_id": customer_id, "currency": "EUR"}))
        path = f"/v1/invoices/{draft['id']}"
        for amount, rate in ((10 * a + 1, "0.21"), (b, "0.055")):
            line = {"description": "Work", "quantity": "1", "unit_amount": str(amount), "tax_rate": rate}
            await self.clerk.post(f"{path}/lines", line)
        await self.ask("bill", self.clerk.post(f"{path}/finalize"))

    async def subscribe(self, a, b):
        body = {"price_id": self.prices[a % len(self.prices)]["id"], "quantity": 1 + b % 3}
        await self.ask("subscribe", self.buyer.post("/v1/subscriptions", body))

    async def change(self, a, b):
        subscription = await self.one("/v1/subscriptions", 0, status=["active", "trialing"])
        if subscription is not None:
            effective = "period_end" if a % 7 == 0 else "now"
            body = {"quantity": 1 + b % 5, "proration": PRORATIONS[a % 4], "effective": effective}
            if b % 2:
                body["price_id"] = self.prices[a % len(self.prices)]["id"]
            await self.ask("change", self.buyer.patch(f"/v1/subscriptions/{subscription['id']}", body))

    async def cancel(self, a, b):
        subscription = await self.one("/v1/subscriptions", a)
        if subscription is not None:
            body = {"when": "period_end" if b % 3 else "now"}
            await self.ask("cancel", self.buyer.post(f"/v1/subscriptions/{subscription['id']}/cancel", body))

    async def resume(self, a, _):
        subscription = await self.one("/v1/subscriptions", a, cancel_at_period_end=[True])
        if subscription is not None:
            await self.ask("resume", self.buyer.post(f"/v1/subscriptions/{subscription['id']}/resume"))

    async def pay(self, a, b):
        invoice = await self.one("/v1/invoices", a, status=["open", "uncollectible"])
        if invoice is not None:
            body = {"payment_method_id": await self.buyer.add_card(CARDS[b % 3])}
            await self.ask("pay", self.buyer.post(f"/v1/invoices/{invoice['id']}/pay", body))

    async def note(self, a, b):
        """Takes back a part of each line, or all, to the balance or to the card."""
        invoice = await self.one("/v1/invoices", a, status=["open", "paid"])
        if invoice is not None:
            parts = [(line, line["net"]["amount"] * (25 + 25 * (b % 4)) // 100) for line in invoice["lines"]]
            lines = [
                {"invoice_line_id": line["id"], "net_amount": {"amount": amount, "currency": "EUR"}}
                for line, amount in parts[:: -1 if b % 2 else 1][: 1 + b % 3]
                if amount
            ]
            back = {"credit_amount": {"amount": 0, "currency": "EUR"}} if a % 3 == 0 else {}
            body = {"invoice_id": invoice["id"], "lines": lines, "reason": "Returned", **back}
            await self.ask("note", self.clerk.post("/v1/credit-notes", body))

    async def refund(self, a, b):
        """Gives back a part of the balance."""
        me = (await self.buyer.get("/v1/customers/me")).json()
        payments = (await self.clerk.get("/v1/payments", customer_id=me["id"])).json()["data"]
        if payments and me["balance"]:
            body = {
                "payment_id": payments[a % len(payments)]["id"],
                "amount": {"amount": 1 + 50 * b, "currency": "EUR"},
            }
            await self.ask("refund", self.clerk.post("/v1/refunds", body))

    async def waive(self, a, b):
        invoice = await self.one("/v1/invoices", a, status=["open", "uncollectible"])
        if invoice is not None:
            action = "mark-uncollectible" if b % 3 == 0 else "void"
            await self.ask(action, self.clerk.post(f"/v1/invoices/{invoice['id']}/{action}"))

    async def listen(self, a, b):
        """The bank says how things are, and that is told later, or twice, or never."""
        for payment in await self.shop.database.fetch("SELECT id FROM payments ORDER BY created_at DESC LIMIT 3"):
            news = await open_sandbox(self.shop.resources).told("charge", payment["id"])
            self.held += [] if news is None else [news]
        for _ in range(b % 3):
            if self.held:
                news = self.held[a % len(self.held)]
                answer = await self.shop.client.post("/v1/webhooks/sandbox", content=news.raw, headers=news.headers)
                assert answer.status_code == 200
        for event in await self.shop.database.fetch("SELECT event_id FROM provider_events WHERE applied_at IS NULL"):
            async with self.shop.resources.database.transaction() as session:
                await build_application(session, self.shop.resources).apply("sandbox", event["event_id"])

    async def settle(self, _=0, __=0):
        """What is under way is asked about."""
        for payment in await self.shop.database.fetch("SELECT id FROM payments WHERE status = 'processing'"):
            await build_unattended(self.shop.resources).settle(payment["id"])
        for refund in await self.shop.database.fetch("SELECT id FROM refunds WHERE status = 'processing'"):
            await build_settlement(self.shop.resources).settle(refund["id"])

    async def wait(self, a, b):
        self.shop.clock.advance(timedelta(days=(1, 2, 5, 10, 15, 31)[a % 6], hours=b))
        await self.run_biller()

    async def run_biller(self):
        await build_biller(self.shop.resources).run(within_s=60)


STEP = {
    Trade.card: 2,
    Trade.bill: 1,
    Trade.subscribe: 3,
    Trade.change: 5,
    Trade.cancel: 2,
    Trade.resume: 1,
    Trade.pay: 2,
    Trade.note: 4,
    Trade.refund: 1,
    Trade.waive: 2,
    Trade.listen: 1,
    Trade.settle: 1,
    Trade.wait: 5,
}
KINDS = [kind for kind, weight in STEP.items() for _ in range(weight)]
# All is drawn before the first step: Hypothesis ends a draw in ways that no event loop survives.
STEPS = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 100), st.integers(0, 23)), min_size=6, max_size=24)


@pytest.fixture(scope="module")
async def prices(make_price):
    return [await make_price(**terms) for terms in PRICES]


@pytest.fixture
def right(shop, rows, books):
    """`await right()`: nothing is wrong."""

    async def look():
        await books()
        found = {}
        for rule, query in WRONG.items():
            found[rule] = await rows(query, *([shop.clock.now()] if "$1" in query else []))
        assert {rule: records for rule, records in found.items() if records} == {}

    return look


# The fixtures read the shop, which all examples share.
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
async def test_whatever_is_bought_changed_and_given_back_no_money_is_lost_or_made(shop, prices, right, rows, steps):
    # Whom the examples before have left behind buys nothing more.
    await rows("DELETE FROM pending_items")
    await rows("UPDATE subscriptions SET status = 'canceled'")
    await rows("UPDATE invoices SET next_attempt_at = NULL WHERE next_attempt_at IS NOT NULL")
    shop.clock.current = START
    trade = Trade(shop, prices, Counter())
    await trade.buyer.add_card()
    await trade.subscribe(steps[0][1], steps[0][2])
    for count, (step, a, b) in enumerate(steps):
        await step(trade, a, b)
        if count % 3 == 0:
            await trade.run_biller()
            await right()
    await trade.settle()
    await trade.run_biller()
    await right()
