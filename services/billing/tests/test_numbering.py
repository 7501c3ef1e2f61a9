"""Invoice numbers: one after the other, in each series and year, whatever fails meanwhile."""

import asyncio
import random
from datetime import UTC, datetime

from billing.ledger.service import Ledger

# Every number that was ever given: in a shop of its own.
SETTINGS = {}


async def numbers(rows, *years):
    every = await rows("SELECT number FROM invoices ORDER BY number")
    return [row["number"] for row in every if row["number"].split("-")[1] in years]


async def test_twenty_invoices_at_once_of_which_some_fail_leave_no_gap(person, make_price, rows, monkeypatch):
    price = await make_price()
    buyers = [person() for _ in range(20)]
    await asyncio.gather(*(buyer.add_card() for buyer in buyers))
    chance, post = random.Random(7), Ledger.post  # noqa: S311 - the same failures at every run

    async def sometimes(self, posting):
        # The number is taken by now, and its transaction fails.
        if posting.kind == "invoice_finalized" and chance.random() < 0.4:
            raise RuntimeError
        await post(self, posting)

    monkeypatch.setattr(Ledger, "post", sometimes)
    body = {"price_id": price["id"]}
    responses = await asyncio.gather(*(buyer.post("/v1/subscriptions", body) for buyer in buyers))
    done = [response for response in responses if response.status_code == 201]
    assert 0 < len(done) < 20
    year = done[0].json()["created_at"][:4]
    assert await numbers(rows, year) == [f"INV-{year}-{position:06d}" for position in range(1, len(done) + 1)]


async def test_each_year_counts_from_one(payer, make_price, clock, rows):
    for instant in ("2035-12-31T23:59:59", "2036-01-01T00:00:00", "2036-01-01T00:00:00"):
        clock.current = datetime.fromisoformat(instant).replace(tzinfo=UTC)
        await payer.subscribe(await make_price())
    assert await numbers(rows, "2035", "2036") == ["INV-2035-000001", "INV-2036-000001", "INV-2036-000002"]
