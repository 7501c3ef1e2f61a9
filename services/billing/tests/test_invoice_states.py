"""The states of an invoice: every move from every state, allowed or refused, and what is told of it."""

from itertools import product

import pytest

from core.testing import problem

STATES = ("draft", "open", "paid", "void", "uncollectible")
ACTIONS = ("add a line", "delete", "finalize", "pay", "void", "mark-uncollectible")
# What an action comes to; of every other pair the answer is 409 invalid_transition.
MOVES = {
    ("draft", "add a line"): "draft",
    ("draft", "delete"): "gone",
    ("draft", "finalize"): "open",
    ("open", "pay"): "paid",
    ("open", "void"): "void",
    ("open", "mark-uncollectible"): "uncollectible",
    ("uncollectible", "pay"): "paid",
    ("uncollectible", "void"): "void",
}
# What tells of a move, by the state that it ends in.
TOLD = {
    "open": "invoice.finalized",
    "paid": "invoice.paid",
    "void": "invoice.voided",
    "uncollectible": "invoice.uncollectible",
}
# How an invoice comes into each state.
WAYS = {
    "draft": [],
    "open": ["finalize"],
    "paid": ["finalize", "pay"],
    "void": ["finalize", "void"],
    "uncollectible": ["finalize", "mark-uncollectible"],
}
LINE = {"description": "Work", "quantity": "1", "unit_amount": "1", "tax_rate": "0"}


@pytest.fixture
def act(payer, bookkeeper):
    """`await act("void", invoice)`: the answer."""

    async def run(action, invoice):
        path = f"/v1/invoices/{invoice['id']}"
        if action == "delete":
            return await bookkeeper.client.delete(path, headers=bookkeeper.headers)
        if action == "add a line":
            return await bookkeeper.post(f"{path}/lines", LINE)
        return await (payer if action == "pay" else bookkeeper).post(f"{path}/{action}")

    return run


@pytest.fixture
def invoice_in(payer, draft, act):
    """`await invoice_in("void")`: an invoice in this state."""

    async def make(state):
        invoice = await draft(payer, "1 1000 0.21")
        for action in WAYS[state]:
            assert (await act(action, invoice)).status_code == 200
        return invoice

    return make


@pytest.fixture
def told(rows):
    """`await told(invoice)`: what was told of it, in order."""

    async def run(invoice):
        events = await rows("SELECT type, sequence FROM outbox WHERE subject = $1 ORDER BY position", invoice["id"])
        return [(event["type"], event["sequence"]) for event in events]

    return run


@pytest.mark.parametrize(("state", "action"), MOVES)
async def test_a_move_is_made_and_told_once(invoice_in, act, bookkeeper, told, books, state, action):
    invoice, end = await invoice_in(state), MOVES[state, action]
    before = await told(invoice)
    response = await act(action, invoice)
    assert response.status_code == {"add a line": 201, "delete": 204}.get(action, 200)
    after = (await bookkeeper.get(f"/v1/invoices/{invoice['id']}")).json()
    assert after.get("status") == end or (end, after["code"]) == ("gone", "invoice_not_found")
    assert await told(invoice) == before + ([(TOLD[end], len(before) + 1)] if end in TOLD else [])
    await books()


@pytest.mark.parametrize(("state", "action"), sorted(set(product(STATES, ACTIONS)) - MOVES.keys()))
async def test_any_other_move_is_refused_and_changes_nothing(invoice_in, act, bookkeeper, told, state, action):
    invoice = await invoice_in(state)
    path = f"/v1/invoices/{invoice['id']}"
    before = (await bookkeeper.get(path)).json(), await told(invoice)
    assert before[0]["status"] == state
    # Who pays does not see drafts.
    unseen = (state, action) == ("draft", "pay")
    refusal = (404, "invoice_not_found") if unseen else (409, "invalid_transition")
    assert problem(await act(action, invoice)) == refusal
    assert ((await bookkeeper.get(path)).json(), await told(invoice)) == before


async def test_an_invoice_keeps_the_number_that_it_was_given(invoice_in, act, bookkeeper):
    invoice = await invoice_in("open")
    path = f"/v1/invoices/{invoice['id']}"
    given = (await bookkeeper.get(path)).json()["number"]
    moved = [(await act(action, invoice)).json()["number"] for action in ("mark-uncollectible", "void")]
    assert moved == [given] * 2
    assert given.startswith("INV-")
