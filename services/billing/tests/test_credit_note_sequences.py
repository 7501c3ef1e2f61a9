"""Whatever is taken back of whatever invoice, paid or not, and given back or not: the books agree after every step."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.refunds.dependencies import build_settlement
from core.ids import parse_id

# All that was ever charged and given back: in a shop of its own.
SETTINGS = {}
CARDS = ["pm_card_visa", "pm_sandbox_refund_fails", "pm_sandbox_refund_timeout_then_ok"]
RATES = ["0", "0.055", "0.2", "0.21"]
LINES = st.lists(
    st.tuples(st.sampled_from([1, 1, 1, -1]), st.integers(1, 5_000), st.sampled_from(RATES)), min_size=1, max_size=4
)
CLEARING = """SELECT
    (SELECT coalesce(sum(amount_minor), 0) FROM ledger_entries WHERE account = 'provider_clearing') AS booked,
    (SELECT coalesce(sum(amount_minor - fee_minor), 0) FROM sandbox_charges WHERE status = 'succeeded')
        - (SELECT coalesce(sum(amount_minor), 0) FROM sandbox_refunds WHERE status = 'succeeded') AS held"""


class Desk:
    """One buyer with one invoice, and the clerk who corrects it."""

    def __init__(self, shop):
        self.shop = shop
        self.buyer, self.clerk = shop.person(), shop.person("billing:read", "billing:write")
        self.invoice: dict[str, Any] = {}
        self.path = ""

    async def open(self, card, lines):
        await self.buyer.add_card(card)
        customer_id = (await self.buyer.get("/v1/customers/me")).json()["id"]
        draft = await self.clerk.post("/v1/invoices", {"customer_id": customer_id, "currency": "EUR"})
        self.path = f"/v1/invoices/{draft.json()['id']}"
        for quantity, amount, rate in lines:
            line = {"quantity": str(quantity), "unit_amount": str(amount), "tax_rate": rate}
            await self.clerk.post(f"{self.path}/lines", {"description": "Work", **line})
        self.invoice = (await self.clerk.post(f"{self.path}/finalize")).json()

    async def pay(self, _, __):
        await self.buyer.post(f"{self.path}/pay")

    async def note(self, parts, rest):
        """Takes back some of some lines, in percent: nothing, all, and between; sometimes too much."""
        lines = [
            {"invoice_line_id": line["id"], "net_amount": _euro(amount)}
            for line, percent in zip(self.invoice["lines"], parts, strict=False)
            if (amount := line["net"]["amount"] * percent // 100)
        ]
        body = {"invoice_id": self.invoice["id"], "lines": lines, "reason": "Returned", **rest}
        response = await self.clerk.post("/v1/credit-notes", body)
        assert response.status_code in {201, 409, 422}, response.text

    async def refund(self, parts, _):
        """Gives back some of the balance."""
        payment = (await self.buyer.get(self.path)).json()["last_payment"]
        if payment is not None:
            body = {"payment_id": payment["id"], "amount": _euro(1 + sum(parts) * 10)}
            response = await self.clerk.post("/v1/refunds", body)
            assert response.status_code in {201, 409}, response.text

    async def settle(self, _=None, __=None):
        """Finds out what became of the refunds that are under way."""
        for refund in await self.clerk.all("/v1/refunds"):
            if refund["status"] == "processing":
                await build_settlement(self.shop.resources).settle(parse_id("rfd", refund["id"]))


def _euro(amount):
    return {"amount": amount, "currency": "EUR"}


KINDS = [Desk.pay, Desk.note, Desk.note, Desk.note, Desk.refund, Desk.settle]
RESTS = [{}, {"credit_amount": _euro(0)}, {"refund_amount": _euro(1)}]
PARTS = st.lists(st.sampled_from([0, 10, 33, 50, 100]), min_size=4, max_size=4)
# All is drawn before the first step: Hypothesis ends a draw in ways that no event loop survives.
STEPS = st.lists(st.tuples(st.sampled_from(KINDS), PARTS, st.sampled_from(RESTS)), min_size=1, max_size=8)


# The fixtures read the shop, which all examples share.
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(CARDS), LINES, STEPS)
async def test_whatever_is_taken_and_given_back_the_books_agree(shop, books, rows, card, lines, steps):
    desk = Desk(shop)
    await desk.open(card, lines)
    for step, parts, rest in steps:
        await step(desk, parts, rest)
    await books()
    await desk.settle()
    await books()
    (clearing,) = await rows(CLEARING)
    assert clearing["booked"] == clearing["held"]
