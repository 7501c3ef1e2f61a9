"""Invoice numbers: one after the other, in each series and year, whatever fails meanwhile."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from billing.invoices.repository import InvoiceRepository
from core.ids import format_id
from core.testing import problem

# Every number that was ever given: in a shop of its own.
SETTINGS = {}
INVOICES, BUYERS = 200, 20
ROUNDS_MAX = 100
COPY = """
    WITH made AS (
        SELECT id AS original, gen_random_uuid() AS copy FROM invoices, generate_series(1, $1) WHERE status = 'draft'
    ), invoice AS (
        INSERT INTO invoices SELECT (jsonb_populate_record(i, jsonb_build_object('id', copy))).*
        FROM made JOIN invoices i ON i.id = original
    )
    INSERT INTO invoice_lines
    SELECT (jsonb_populate_record(l, jsonb_build_object('id', gen_random_uuid(), 'invoice_id', copy))).*
    FROM made JOIN invoice_lines l ON l.invoice_id = original
"""
series = (f"S{position}" for position in count())


async def numbers(rows, *years):
    every = await rows("SELECT number FROM invoices WHERE number IS NOT NULL ORDER BY number")
    return [row["number"] for row in every if row["number"].split("-")[1] in years]


async def raises(_: AsyncSession) -> None:
    raise RuntimeError


async def breaks_the_transaction(session: AsyncSession) -> None:
    await session.execute(text("SELECT 1 / 0"))


async def kills_the_backend(session: AsyncSession) -> None:
    await session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))


async def cancels_the_request(_: AsyncSession) -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(0)


async def goes_well(_: AsyncSession) -> None:
    """Most of the time."""


FATES = [raises, breaks_the_transaction, kills_the_backend, cancels_the_request, *[goes_well] * 6]


@pytest.fixture
def fates(monkeypatch) -> Counter[Callable]:
    """What befell those who were finalizing an invoice once its number had been taken."""
    chance, befallen = random.Random(7), Counter()  # noqa: S311 - the same failures at every run
    take = InvoiceRepository.next_number

    async def take_and_fail(self, series, year):
        number = await take(self, series, year)
        fate = chance.choice(FATES)
        befallen[fate] += 1
        await fate(self.session)
        return number

    monkeypatch.setattr(InvoiceRepository, "next_number", take_and_fail)
    return befallen


@pytest.fixture
async def drafts(person, draft, rows):
    """The ids of many drafts: one for each buyer by requests, and the others as its copies, which takes no time."""
    for position in range(BUYERS):
        await draft(person(), f"1 {position + 1} 0.21")
    await rows(COPY, INVOICES // BUYERS - 1)
    return [format_id("inv", row["id"]) for row in await rows("SELECT id FROM invoices WHERE status = 'draft'")]


async def test_two_hundred_invoices_at_once_of_which_many_fail_leave_no_gap(drafts, bookkeeper, rows, books, fates):
    async def finalized(invoice_id):
        return await bookkeeper.post(f"/v1/invoices/{invoice_id}/finalize")

    left, done, rounds = drafts, [], 0
    # As many as a slow machine needs: who gets no connection has to ask again, too.
    while left and (rounds := rounds + 1) <= ROUNDS_MAX:
        answers = await asyncio.gather(*map(finalized, left), return_exceptions=True)
        # Who was cancelled has no answer, and who was too slow for one may have finalized it all the same: a 409 now.
        told = [answer if isinstance(answer, httpx.Response) else None for answer in answers]
        statuses = [answer and answer.status_code for answer in told]
        done += [answer.json() for answer in told if answer and answer.status_code == 200]
        left = [invoice_id for invoice_id, status in zip(left, statuses, strict=True) if status not in {200, 409}]
    assert left == []
    # Each of them has happened.
    assert fates.keys() == set(FATES)
    year = done[0]["created_at"][:4]
    wanted = [f"INV-{year}-{position:06d}" for position in range(1, INVOICES + 1)]
    assert await numbers(rows, year) == wanted
    assert {invoice["number"] for invoice in done} <= set(wanted)
    again = await finalized(drafts[0])
    assert problem(again) == (409, "invalid_transition")
    told = "SELECT subject FROM outbox WHERE type = 'invoice.finalized'"
    assert Counter(row["subject"] for row in await rows(told)) == Counter(drafts)
    await books()


async def test_each_year_counts_from_one(payer, make_price, clock, rows):
    for instant in ("2035-12-31T23:59:59", "2036-01-01T00:00:00", "2036-01-01T00:00:00"):
        clock.current = datetime.fromisoformat(instant).replace(tzinfo=UTC)
        await payer.subscribe(await make_price())
    assert await numbers(rows, "2035", "2036") == ["INV-2035-000001", "INV-2036-000001", "INV-2036-000002"]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=8))
async def test_whoever_takes_numbers_at_once_and_keeps_or_drops_them_leaves_no_gap(shop, takers):
    name, database = next(series), shop.resources.database

    async def take(keeps, before, after):
        for _ in range(before):
            await asyncio.sleep(0)
        async with database.transaction() as session:
            number = await InvoiceRepository(session).next_number(name, 2026)
            for _ in range(after):
                await asyncio.sleep(0)
            if not keeps:
                raise SQLAlchemyError
        return number

    taken = await asyncio.gather(*(take(*taker) for taker in takers), return_exceptions=True)
    kept = sum(keeps for keeps, _, _ in takers)
    assert sorted(number for number in taken if isinstance(number, int)) == list(range(1, kept + 1))
    # Gone again, because no document has its numbers.
    last = "DELETE FROM invoice_series WHERE name = $1 RETURNING last"
    assert await shop.database.fetchval(last, name) == (kept or None)
