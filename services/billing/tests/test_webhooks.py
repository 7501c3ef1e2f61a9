"""What the provider tells over HTTP: believed by its signature alone, stored once, applied by a worker."""

import asyncio
import gzip
import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from pydantic import SecretStr

from billing.payments.provider import Sandbox, Signatures, open_sandbox
from billing.webhooks.dependencies import build
from billing.webhooks.jobs import forget_provider_events
from billing.webhooks.router import BODY_MAX_BYTES
from core.ids import format_id, new_id, parse_id
from core.testing import problem
from core.testing.queries import recorded

CURRENT, PREVIOUS = "whsec-of-the-tests-7f0c9b1e5d2a4836", "whsec-of-yesterday-1b6e0d4f8a2c5937"
# The provider's own answer never comes: what is known of a payment is what a webhook tells.
SETTINGS = {"webhooks": {"secret": CURRENT, "previous_secret": PREVIOUS}}
STORED = "SELECT * FROM provider_events WHERE event_id = $1"


@pytest.fixture
def send(shop):
    """`await send(raw, {"Sandbox-Signature": …})`: a request to where the provider tells things."""

    async def run(raw, headers, *, provider="sandbox"):
        return await shop.client.post(f"/v1/webhooks/{provider}", content=raw, headers=headers)

    return run


@pytest.fixture
async def processing(person, price):
    """A subscription whose payment waits for what the provider will tell."""
    somebody = person()
    await somebody.add_card("pm_sandbox_async_ok")
    subscription = await somebody.subscribe(price)
    return somebody, subscription["latest_invoice"]["last_payment"]["id"]


@pytest.fixture
def applied(rows, becomes):
    """`await applied(event_id)`: waits until a worker is done with it."""

    async def wait(event_id):
        await becomes(lambda: rows(f"{STORED} AND applied_at IS NOT NULL", event_id))

    return wait


def event_of(payment_id, *, type_="charge.succeeded", **more):
    event_id = f"evt_{uuid4().hex}"
    event = {"id": event_id, "type": type_, "created": 1_790_000_000, "data": {"id": payment_id}} | more
    return event_id, json.dumps(event).encode()


def signed(raw, *, secret=CURRENT, at=None):
    return Signatures((SecretStr(secret),)).sign(raw, at=at or datetime.now(UTC))


def header(raw, **more):
    return {"Sandbox-Signature": signed(raw, **more)}


async def test_news_of_a_payment_are_applied_after_the_answer(shop, processing, on_record, applied, rows):
    somebody, payment_id = processing
    assert await open_sandbox(shop.resources).fetch(parse_id("pay", payment_id))
    delivery = await open_sandbox(shop.resources).told("charge", parse_id("pay", payment_id))
    assert delivery is not None
    answer = await shop.client.post("/v1/webhooks/sandbox", content=delivery.raw, headers=delivery.headers)
    assert (answer.status_code, answer.json()) == (200, {"received": True})
    await applied(json.loads(delivery.raw)["id"])
    assert await on_record(somebody) == {
        "subscriptions": ["active"],
        "invoices": ["paid"],
        "payments": ["succeeded"],
        "charges": ["succeeded"],
    }
    booked = await rows("SELECT kind FROM ledger_transactions WHERE source = $1 ORDER BY kind", payment_id)
    assert [each["kind"] for each in booked] == ["fee_taken", "payment_succeeded"]


async def test_the_sandbox_has_nothing_to_tell_of_what_is_not_in_its_books(shop):
    for kind in ("charge", "refund"):
        assert await open_sandbox(shop.resources).told(kind, new_id()) is None


async def test_what_is_told_twice_is_stored_and_applied_once(processing, send, applied, rows, on_record):
    somebody, payment_id = processing
    event_id, raw = event_of(payment_id)
    answers = await asyncio.gather(*(send(raw, header(raw)) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    await applied(event_id)
    (stored,) = await rows(STORED, event_id)
    assert (await send(raw, header(raw))).status_code == 200
    assert await rows(STORED, event_id) == [stored]
    delivered = await rows("SELECT 1 FROM outbox WHERE subject = $1", f"sandbox/{event_id}")
    assert len(delivered) == 1
    assert (await on_record(somebody))["payments"] == ["succeeded"]


async def test_twenty_events_of_one_payment_at_once_are_booked_once(processing, send, applied, rows):
    _, payment_id = processing
    events = [event_of(payment_id) for _ in range(20)]
    await asyncio.gather(*(send(raw, header(raw)) for _, raw in events))
    for event_id, _ in events:
        await applied(event_id)
    assert len(await rows("SELECT 1 FROM ledger_transactions WHERE source = $1", payment_id)) == 1
    told = await rows("SELECT 1 FROM outbox WHERE subject = $1 AND type = 'payment.succeeded'", payment_id)
    assert len(told) == 1


async def test_nothing_of_a_body_is_stored_but_what_it_means(send, rows):
    payment_id = format_id("pay", new_id())
    data = {"id": payment_id, "code": "lost_card", "retryable": False, "fee": 15, "email": "zebedee@example.com"}
    event_id, raw = event_of(payment_id, type_="charge.failed", data=data, name="Zebedee")
    assert (await send(raw, header(raw))).status_code == 200
    (stored,) = await rows(STORED, event_id)
    received_at, applied_at = stored.pop("received_at"), stored.pop("applied_at")
    assert received_at is not None
    assert applied_at is None or applied_at >= received_at
    assert stored == {
        "provider": "sandbox",
        "event_id": event_id,
        "type": "charge.failed",
        "subject": payment_id,
        "status": "failed",
        "code": "lost_card",
        "retryable": False,
        "fee_minor": 15,
        "occurred_at": datetime.fromtimestamp(1_790_000_000, UTC),
    }


@pytest.mark.parametrize("kind", ["pay", "rfd"])
async def test_news_of_what_is_not_on_record_are_logged_and_ignored(send, applied, logs, kind):
    type_ = {"pay": "charge.succeeded", "rfd": "refund.succeeded"}[kind]
    event_id, raw = event_of(format_id(kind, new_id()), type_=type_)
    assert (await send(raw, header(raw))).status_code == 200
    await applied(event_id)
    assert [line for line in logs if event_id in str(line) and "not on record" in str(line)]


@pytest.mark.parametrize("more", [{"type_": "customer.updated"}, {"type_": "refund.requires_action"}])
async def test_what_does_not_concern_us_is_stored_and_ignored(send, applied, rows, more):
    event_id, raw = event_of("cus_of_the_provider", **more)
    assert (await send(raw, header(raw))).status_code == 200
    await applied(event_id)
    (stored,) = await rows(STORED, event_id)
    assert (stored["subject"], stored["status"]) == (None, None)


async def test_a_known_event_needs_no_data_of_another_kind(send):
    _, raw = event_of(format_id("rfd", new_id()), type_="charge.succeeded")
    assert problem(await send(raw, header(raw))) == (400, "webhook_malformed")


def forgeries(raw):
    """What anybody could send who does not know the secret, or has heard what was sent before."""
    now = datetime.now(UTC)
    good = signed(raw)
    time, mac = good.split(",")
    yield "none", {}
    yield "empty", {"Sandbox-Signature": ""}
    yield "of another secret", header(raw, secret="whsec-of-somebody-else-0a1b2c3d4e5f6")
    yield "of another body", header(raw + b" ")
    yield "stale", header(raw, at=now - timedelta(seconds=310))
    yield "of time to come", header(raw, at=now + timedelta(seconds=310))
    yield "truncated", {"Sandbox-Signature": good[:-1]}
    yield "without a time", {"Sandbox-Signature": mac}
    yield "of another time", {"Sandbox-Signature": f"t={int(now.timestamp()) + 1},{mac}"}
    yield "of two times", {"Sandbox-Signature": f"{time},{good}"}
    yield "of a time that is none", {"Sandbox-Signature": f"t=-1,{mac}"}
    yield "without a signature", {"Sandbox-Signature": time}
    yield "of another version", {"Sandbox-Signature": good.replace("v1=", "v0=")}
    yield "no ASCII", {b"Sandbox-Signature": good.replace("v1=", "v1=\xff").encode("latin-1")}
    yield "in another header", {"Stripe-Signature": good}


async def test_what_is_not_signed_is_refused_and_costs_no_database(send, processing, rows, subtests):
    _, payment_id = processing
    event_id, raw = event_of(payment_id)
    with recorded() as statements:
        for how, headers in forgeries(raw):
            with subtests.test(how=how):
                assert problem(await send(raw, headers)) == (400, "webhook_not_signed")
    assert statements == []
    assert await rows(STORED, event_id) == []


async def test_a_signature_is_found_however_its_header_is_written(send, subtests):
    written = {
        "another order": lambda time, mac: {"Sandbox-Signature": f"{mac},{time}"},
        "spaces": lambda time, mac: {"Sandbox-Signature": f" {time} , {mac} "},
        "several": lambda time, mac: {"Sandbox-Signature": f"{time},v0=1,v1={'0' * 64},{mac}"},
        "upper case": lambda time, mac: {"SANDBOX-SIGNATURE": f"{time},{mac}"},
        "lower case": lambda time, mac: {"sandbox-signature": f"{time},{mac}"},
        "a wrong content type": lambda time, mac: {"Sandbox-Signature": f"{time},{mac}", "Content-Type": "text/plain"},
    }
    for how, make in written.items():
        with subtests.test(how=how):
            _, raw = event_of(format_id("pay", new_id()))
            assert (await send(raw, make(*signed(raw).split(",")))).status_code == 200


@pytest.fixture(scope="module")
async def later_shop(open_shop):
    """The service once the previous secret is gone."""
    async with open_shop({"webhooks": {"secret": CURRENT}}) as shop:
        yield shop


async def test_the_previous_secret_is_believed_while_there_is_one(send, later_shop):
    _, raw = event_of(format_id("pay", new_id()))
    assert (await send(raw, header(raw, secret=PREVIOUS))).status_code == 200
    answer = await later_shop.client.post("/v1/webhooks/sandbox", content=raw, headers=header(raw, secret=PREVIOUS))
    assert problem(answer) == (400, "webhook_not_signed")


async def test_the_business_clock_makes_no_signature_old_or_young(send, clock):
    clock.current += timedelta(days=400)
    _, raw = event_of(format_id("pay", new_id()))
    assert (await send(raw, header(raw))).status_code == 200
    _, raw = event_of(format_id("pay", new_id()))
    assert problem(await send(raw, header(raw, at=clock.now()))) == (400, "webhook_not_signed")


GOOD = {"id": "evt_1", "type": "charge.succeeded", "created": 1, "data": {"id": format_id("pay", new_id())}}
MALFORMED = [
    b"",
    b"\xff",
    b"[]",
    b"[" * 10_000,
    b'{"id": "evt_1"',
    *(
        json.dumps(GOOD | wrong).encode()
        for wrong in (
            {"id": None},
            {"id": ""},
            {"id": "a b"},
            {"id": "e" * 101},
            {"id": "evt\x00"},
            {"type": 1},
            {"type": "Charge"},
            {"created": -1},
            {"created": 10**12},
            {"created": "1"},
            {"created": 1.5},
            {"data": None},
            {"data": {}},
            {"data": {"id": "pay_1"}},
            {"data": GOOD["data"] | {"code": "no\x00"}},
            {"data": GOOD["data"] | {"code": "c" * 101}},
            {"data": GOOD["data"] | {"retryable": "yes"}},
            {"data": GOOD["data"] | {"fee": -1}},
            {"data": GOOD["data"] | {"fee": 2**63}},
        )
    ),
]


async def test_what_is_signed_and_no_event_is_refused(send, subtests):
    with recorded() as statements:
        for raw in MALFORMED:
            with subtests.test(raw=raw[:100]):
                answer = await send(raw, header(raw))
                assert problem(answer) == (400, "webhook_malformed")
    assert statements == []


async def test_a_provider_that_is_none_of_ours_is_not_there(send):
    _, raw = event_of(format_id("pay", new_id()))
    for provider in ("stripe", "Sandbox", "sandbox%00"):
        assert problem(await send(raw, header(raw), provider=provider)) == (404, "not_found")


async def test_a_body_has_bounds(send):
    _, raw = event_of(format_id("pay", new_id()))
    largest = raw[:-1] + b" " * (BODY_MAX_BYTES - len(raw)) + raw[-1:]
    assert (await send(largest, header(largest))).status_code == 200
    assert problem(await send(largest + b" ", header(largest + b" "))) == (413, "content_too_large")
    compressed = gzip.compress(raw)
    answer = await send(compressed, header(compressed) | {"Content-Encoding": "gzip"})
    assert problem(answer) == (415, "unsupported_media_type")


async def test_news_that_come_before_the_provider_s_own_answer_are_not_lost(
    person, price, tell, rows, becomes, on_record, monkeypatch
):
    told = asyncio.Event()
    charge = Sandbox.charge

    async def overtaken(sandbox, payment_id, **asked):
        outcome = await charge(sandbox, payment_id, **asked)
        event_id = f"evt_{uuid4().hex}"
        await tell("charge.succeeded", {"id": format_id("pay", payment_id), "fee": 15}, event_id=event_id)
        await becomes(lambda: rows(f"{STORED} AND applied_at IS NOT NULL", event_id))
        told.set()
        return outcome

    monkeypatch.setattr(Sandbox, "charge", overtaken)
    somebody = person()
    await somebody.add_card()
    subscription = await somebody.subscribe(price)
    assert told.is_set()
    assert (subscription["status"], subscription["latest_invoice"]["status"]) == ("active", "paid")
    assert (await on_record(somebody))["payments"] == ["succeeded"]
    payment_id = subscription["latest_invoice"]["last_payment"]["id"]
    booked = await rows("SELECT kind FROM ledger_transactions WHERE source = $1 ORDER BY kind", payment_id)
    assert [each["kind"] for each in booked] == ["fee_taken", "payment_succeeded"]


async def test_what_came_long_ago_is_forgotten(shop, send, applied, rows, monkeypatch):
    monkeypatch.setattr("billing.webhooks.service.FORGOTTEN_AT_ONCE", 2)
    named = []
    for _ in range(6):
        event_id, raw = event_of("cus_of_the_provider", type_="customer.updated")
        assert (await send(raw, header(raw))).status_code == 200
        await applied(event_id)
        named.append(event_id)
    aged = "UPDATE provider_events SET received_at = now() - $2::interval WHERE event_id = ANY($1) RETURNING 1"
    await rows(aged, named[:5], timedelta(days=30, minutes=1))
    await rows(aged, named[5:], timedelta(days=29, hours=23))
    left = "SELECT event_id FROM provider_events WHERE event_id = ANY($1)"
    async with shop.resources.database.transaction() as session:
        assert await build(session, shop.resources).forget_old()
    assert len(await rows(left, named)) == 4
    await forget_provider_events(shop.resources)
    assert [each["event_id"] for each in await rows(left, named)] == named[5:]
