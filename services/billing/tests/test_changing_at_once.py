"""Changes that crash, and changes, cancellations and renewals at once: each takes effect once, and nothing hangs."""

import asyncio
from datetime import UTC, datetime

import pytest

from billing.collection.service import Collection
from billing.payments.provider import Sandbox
from core.idempotency import Claims
from core.ids import parse_id
from core.testing import problem

START = datetime(2025, 6, 1, tzinfo=UTC)
MIDDLE = datetime(2025, 6, 16, tzinfo=UTC)
STEPS = [
    pytest.param(Sandbox, "charge", ["succeeded"], id="before the provider is asked"),
    pytest.param(Collection, "settle", ["succeeded", "succeeded"], id="after the provider has charged"),
    pytest.param(Claims, "complete", ["succeeded", "succeeded"], id="when the answer is stored"),
]


@pytest.fixture
async def subscription(payer, make_price, clock):
    """One piece since the beginning of a June, in whose midst it is now."""
    clock.current = START
    subscription = await payer.subscribe(await make_price())
    clock.current = MIDDLE
    return subscription


def path(subscription, action=""):
    return f"/v1/subscriptions/{subscription['id']}{action}"


@pytest.mark.parametrize(("kind", "step", "charged"), STEPS)
async def test_a_change_goes_on(payer, subscription, on_record, crash, rows, kind, step, charged):
    body, etag = {"quantity": 3}, '"v2"'
    restart = crash(kind, step)
    response = await payer.patch(path(subscription), body, key="more", if_match=etag)
    assert problem(response) == (500, "internal_error")
    assert (await on_record(payer))["charges"] == charged
    restart()
    await rows("UPDATE idempotency_keys SET leased_until = now()")
    response = await payer.patch(path(subscription), body, key="more", if_match=etag)
    changed = response.json()
    assert (response.status_code, changed["status"], changed["quantity"]) == (200, "active", 3)
    assert [line["net"]["amount"] for line in changed["latest_invoice"]["lines"]] == [-500, 1500]
    assert await on_record(payer) == {
        "subscriptions": ["active"],
        "invoices": ["paid", "paid"],
        "payments": ["succeeded", "succeeded"],
        "charges": ["succeeded", "succeeded"],
    }
    told = "SELECT count(*)::int FROM outbox WHERE subject = $1 AND type = 'subscription.updated'"
    assert await rows(told, subscription["id"]) == [{"count": 1}]


async def test_a_key_that_made_one_change_never_makes_another(payer, subscription, rows):
    await payer.patch(path(subscription), {"quantity": 3}, key="once")
    await rows("DELETE FROM idempotency_keys WHERE key = 'once'")
    again = await payer.patch(path(subscription), {"quantity": 3}, key="once", if_match='"v2"')
    assert again.json()["quantity"] == 3
    await rows("DELETE FROM idempotency_keys WHERE key = 'once'")
    other = await payer.patch(path(subscription), {"quantity": 4}, key="once")
    assert problem(other) == (422, "idempotency_key_reused")


async def test_of_changes_of_one_version_one_is_made(payer, subscription, on_record):
    responses = await asyncio.gather(
        *(payer.patch(path(subscription), {"quantity": 2 + number}, if_match='"v2"') for number in range(20))
    )
    made = [response for response in responses if response.status_code == 200]
    assert len(made) == 1
    refused = [problem(response) for response in responses if response not in made]
    assert refused == [(412, "precondition_failed")] * 19
    assert (await payer.get(path(subscription))).json() == made[0].json()
    assert (await on_record(payer))["charges"] == ["succeeded", "succeeded"]


async def test_changes_cancellations_and_renewals_at_once_agree(
    payer, subscription, clock, next_period, on_record, rows
):
    clock.current = datetime(2025, 7, 1, tzinfo=UTC)
    await asyncio.gather(
        *(next_period(subscription) for _ in range(3)),
        *(payer.patch(path(subscription), {"quantity": 2 + number}) for number in range(4)),
        payer.post(path(subscription, "/cancel"), {"when": "period_end"}),
        payer.post(path(subscription, "/cancel")),
        payer.post(path(subscription, "/resume")),
    )
    ended = (await payer.get(path(subscription))).json()
    assert ended["status"] == "canceled"
    left = await on_record(payer)
    assert set(left["invoices"]) == {"paid"}
    assert left["charges"] == left["payments"] == ["succeeded"] * len(left["payments"])
    billed = "SELECT count(*)::int FROM invoices WHERE subscription_id = $1 AND reason = 'subscription_cycle'"
    ((count,),) = [row.values() for row in await rows(billed, parse_id("sub", subscription["id"]))]
    assert count <= 1
    told = "SELECT sequence FROM outbox WHERE subject = $1 ORDER BY sequence"
    sequences = [row["sequence"] for row in await rows(told, subscription["id"])]
    assert sequences == list(range(1, len(sequences) + 1))
