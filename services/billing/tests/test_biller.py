"""How the biller works: beside another one, past what is broken, within its time, and on after a crash."""

import asyncio
from collections import Counter
from contextvars import ContextVar
from datetime import timedelta

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from billing.biller.dependencies import build
from billing.biller.jobs import WITHIN, jobs
from billing.biller.models import Kind
from billing.biller.repository import DueQueries
from billing.biller.service import Meters
from billing.biller.service.billing import Deadline
from billing.collection.service import Unattended
from billing.subscriptions.service import Renewing
from core.database import DatabaseUnavailable
from core.ids import format_id, parse_id
from core.jobs.leases import LEASE_MARGIN

# A biller of its own, which has nothing to do but what a test leaves it.
SETTINGS: dict[str, object] = {}
MONTH = timedelta(days=31)


@pytest.fixture
async def subscribers(person, price, clock):
    """Five people whose period ends in a month."""
    people = [person() for _ in range(5)]
    for each in people:
        await each.add_card()
        await each.subscribe(price)
    clock.advance(MONTH)
    return people


@pytest.fixture
def invoices(rows):
    """`await invoices(people)`: how many invoices each of them has."""

    async def run(people):
        found = await rows("SELECT c.user_id FROM invoices i JOIN customers c ON c.id = i.customer_id")
        counts = Counter(format_id("usr", each["user_id"]) for each in found)
        return [counts[each.subject] for each in people]

    return run


@pytest.fixture
def numbers_are_gapless(rows):
    async def check():
        found = await rows("SELECT number FROM invoices WHERE number IS NOT NULL")
        by_year = {}
        for each in found:
            series, year, position = each["number"].split("-")
            by_year.setdefault((series, year), []).append(int(position))
        assert all(sorted(each) == list(range(1, len(each) + 1)) for each in by_year.values())

    return check


@pytest.fixture
def charges(rows):
    """`await charges()`: how many charges the provider has in its books."""

    async def run():
        (count,) = await rows("SELECT count(*) FROM sandbox_charges")
        return count["count"]

    return run


async def test_two_billers_at_once_bill_a_period_once(shop, subscribers, invoices, numbers_are_gapless, charges):
    before = await charges()
    await asyncio.gather(*(build(shop.resources).run(within_s=60) for _ in range(2)))
    assert await invoices(subscribers) == [2] * 5
    assert await charges() == before + 5
    await numbers_are_gapless()


@pytest.fixture
def broken(monkeypatch):
    """`broken(subscription_id)`: it cannot be renewed, until the test undoes it."""
    renew = Renewing.renew

    def plant(broken_id):
        async def refuse(self, subscription_id, **more):
            if subscription_id == broken_id:
                raise ZeroDivisionError
            return await renew(self, subscription_id, **more)

        monkeypatch.setattr(Renewing, "renew", refuse)
        return monkeypatch.undo

    return plant


async def test_one_that_cannot_be_billed_does_not_stop_the_others(
    shop, subscribers, run_biller, invoices, broken, logs
):
    (subscription,) = (await subscribers[2].get("/v1/subscriptions")).json()["data"]
    repair = broken(parse_id("sub", subscription["id"]))
    await run_biller()
    assert await invoices(subscribers) == [2, 2, 1, 2, 2]
    failed, told = [line for line in logs if line["event"].startswith("billing ")]
    assert (failed["event"], failed["level"]) == ("billing failed", "error")
    assert failed["id"] == str(parse_id("sub", subscription["id"]))
    assert (told["done"], told["failed"], told["left"]) == (4, 1, 0)
    repair()
    await run_biller()
    assert await invoices(subscribers) == [2] * 5


async def test_a_run_begins_nothing_more_when_its_time_is_up(shop, subscribers, run_biller, invoices):
    await build(shop.resources).run(within_s=0)
    assert await invoices(subscribers) == [1] * 5
    await run_biller()
    assert await invoices(subscribers) == [2] * 5


async def test_who_is_months_behind_is_billed_on_in_the_next_run(subscribers, clock, run_biller, invoices, monkeypatch):
    clock.advance(MONTH)
    renew = Renewing.renew
    with monkeypatch.context() as patch:

        async def last(self, *given, **named):
            patch.setattr(Deadline, "has_passed", lambda _: True)
            return await renew(self, *given, **named)

        patch.setattr(Renewing, "renew", last)
        await run_biller()
    assert max(await invoices(subscribers)) == 2
    await run_biller()
    assert await invoices(subscribers) == [3] * 5


async def test_a_run_of_many_batches_misses_none(subscribers, run_biller, invoices, monkeypatch):
    monkeypatch.setattr("billing.biller.service.billing.BATCH", 1)
    await run_biller()
    assert await invoices(subscribers) == [2] * 5


async def test_a_run_that_is_told_to_end_leaves_nothing_half_done(
    shop, subscribers, run_biller, invoices, monkeypatch, charges, numbers_are_gapless
):
    before, reached = await charges(), asyncio.Event()

    async def hang(self, payment):
        reached.set()
        await asyncio.Event().wait()

    with monkeypatch.context() as patch:
        patch.setattr(Unattended, "collect", hang)
        run = asyncio.create_task(run_biller())
        await reached.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
    await run_biller()
    assert await invoices(subscribers) == [2] * 5
    # What had begun stays under way, until its reminder comes.
    assert 3 <= await charges() - before < 5
    await numbers_are_gapless()


async def test_without_a_database_a_run_ends(subscribers, run_biller, invoices, monkeypatch):
    async def away(*_, **__):
        raise DatabaseUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(Renewing, "renew", away)
        with pytest.raises(DatabaseUnavailable):
            await run_biller()
    await run_biller()
    assert await invoices(subscribers) == [2] * 5


async def test_a_long_run_tells_how_far_it_is(subscribers, run_biller, logs, monkeypatch):
    monkeypatch.setattr("billing.biller.service.progress.INTERVAL_S", 0)
    await run_biller()
    told = [line for line in logs if line["event"].startswith("billing ")]
    assert [(line["event"], line["done"], line["left"]) for line in told] == [
        *(("billing goes on", done, 5 - done) for done in range(1, 6)),
        ("billing is done", 5, 0),
    ]
    assert all(line["kind"] == "periods" and line["per_second"] > 0 for line in told)


async def test_a_run_without_anything_to_do_says_nothing(run_biller, logs):
    await run_biller()
    assert [line for line in logs if line["event"].startswith("billing ")] == []


@pytest.fixture
def metrics(shop):
    """`await metrics()`: what a scrape would read of the biller, measured now."""

    async def read():
        await shop.resources[Meters].measure()
        samples = [sample for family in shop.resources.metrics.collect() for sample in family.samples]
        return {
            (sample.name.removeprefix("biller_"), *sample.labels.values()): sample.value
            for sample in samples
            if sample.name.startswith("biller_")
        }

    return read


async def test_it_is_measured_what_waits_and_for_how_long(subscribers, unpaid, clock, run_biller, metrics):
    before = await metrics()
    # The periods have ended up to a second ago; the first invoice expires an hour ago.
    clock.advance(timedelta(hours=24))
    waiting = await metrics()
    assert [waiting["due", kind] for kind in Kind] == [1, 0, 5]
    assert waiting["oldest_due_age_seconds",] >= timedelta(hours=24).total_seconds()
    await subscribers[0].add_card("pm_card_visa_chargeDeclined", default=True)
    await run_biller()
    after = await metrics()
    assert [after["due", kind] for kind in Kind] == [0, 0, 0]
    assert after["oldest_due_age_seconds",] == 0
    counted = {name: after[name] - before.get(name, 0) for name in after if name[0].endswith("_total")}
    assert counted["invoices_total",] == 5
    assert (counted["attempts_total", "succeeded"], counted["attempts_total", "failed"]) == (4, 1)


async def test_while_the_database_is_away_nothing_is_known_of_what_waits(metrics, monkeypatch):
    async def away(*_):
        raise DatabaseUnavailable

    monkeypatch.setattr(DueQueries, "backlog", away)
    assert {name for name, *_ in await metrics()} <= {"invoices_total", "attempts_total", "failures_total"}


# Of one invoice that is paid at once: what is written before the provider is asked, the sandbox's own, and after.
STATEMENTS_MAX = 31


async def test_an_invoice_costs_a_known_number_of_statements(subscribers, run_biller):
    is_ours, statements = ContextVar("is_ours", default=False), []

    def note(_connection, _cursor, statement, *_):
        if is_ours.get():
            statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    is_ours.set(True)
    try:
        await run_biller()
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert len(statements) / 5 <= STATEMENTS_MAX


async def test_every_minute_it_runs_for_less_than_it_may(shop, subscribers, invoices):
    (job,) = jobs.declared
    assert job.interval == timedelta(minutes=1)
    # What has begun may take the provider's time, and some more.
    slowest_s = 10
    assert job.timeout - WITHIN >= timedelta(seconds=3 * slowest_s)
    # Others go on soon after it was killed.
    assert job.timeout + LEASE_MARGIN < 2 * job.interval
    await job.work(shop.resources)
    assert await invoices(subscribers) == [2] * 5
