"""Renewals: how many invoices a biller issues and collects a second, and whether twice as many take twice as long."""

import asyncio
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from time import perf_counter

import asyncpg
import uvloop

from bench.databases import an_empty_database
from bench.figures import Amount, Group, Ratio, Samples, Target
from billing.app import Settings, create_app
from billing.biller.dependencies import build
from core.dependencies.resources import STATE
from core.lifespan import held_back, started
from core.ports import Ports
from core.resources import Resources
from core.services import Service
from core.telemetry.logs import logging_to
from core.testing import MovableClock

SUBSCRIPTIONS = 200
ROUNDS = 5
# No month is longer.
PERIOD = timedelta(days=31)
WITHIN_S = 600
MS_A_SECOND = 1e3

# A price, and so many customers who pay it by the month with a card that works.
_PRICED = (
    """
    INSERT INTO plans (id, name, entitlements, created_at) VALUES (gen_random_uuid(), 'Team', '{"projects": 3}', now())
    """,
    """
    INSERT INTO prices (id, plan_id, model, unit_amount, currency, interval, tax_rate, trial_days, created_at)
    SELECT gen_random_uuid(), id, 'flat', 1000, 'EUR', 'month', 0.21, 0, now() FROM plans
    """,
)
_SUBSCRIBED = """
    WITH bought AS (
        INSERT INTO customers (id, user_id, currency, sequence, created_at)
        SELECT gen_random_uuid(), gen_random_uuid(), 'EUR', 1, now() FROM generate_series(1, $1) RETURNING id
    ), attached AS (
        INSERT INTO payment_methods (id, customer_id, reference, brand, last4, is_default, created_at)
        SELECT gen_random_uuid(), id, 'pm_card_visa/' || id, 'visa', '4242', true, now() FROM bought
    )
    INSERT INTO subscriptions (id, customer_id, plan_id, price_id, quantity, status, anchor_at, current_period_start,
        current_period_end, request_key, sequence, created_at)
    SELECT gen_random_uuid(), bought.id, plan_id, prices.id, 1, 'active', now(), now(), now() + interval '1 month',
        gen_random_uuid(), 1, now()
    FROM bought, prices
"""


class NotBilledError(Exception):
    """Fewer invoices were paid than there are subscriptions: what was measured is not what it is called."""


@dataclass(frozen=True, slots=True)
class Shop:
    """A billing whose subscriptions all end at one time, once a month."""

    clock: MovableClock
    resources: Resources
    database: asyncpg.Connection
    subscriptions: int

    async def bill(self) -> float:
        """Bills one more period of all; gives the seconds that took."""
        before = await self._paid()
        self.clock.advance(PERIOD)
        biller = build(self.resources)
        began = perf_counter()
        await biller.run(within_s=WITHIN_S)
        taken_s = perf_counter() - began
        if await self._paid() - before != self.subscriptions:
            raise NotBilledError
        return taken_s

    async def _paid(self) -> int:
        return await self.database.fetchval("SELECT count(*) FROM invoices WHERE status = 'paid'") or 0


def run() -> Samples:
    """Milliseconds a run of the biller, and its invoices a second."""
    with an_empty_database("once") as once, an_empty_database("twice") as twice:
        for url in (once, twice):
            asyncio.run(_make(url))
        return uvloop.run(_in_turn(once, twice))


async def _in_turn(once: str, twice: str) -> Samples:
    samples: dict[str, list[float]] = {"n": [], "2 n": [], "rate": []}
    async with _open(once, SUBSCRIPTIONS) as shop, _open(twice, 2 * SUBSCRIPTIONS) as larger:
        for each in (shop, larger):
            await each.bill()
        for _ in range(ROUNDS):
            taken_s, twice_s = await shop.bill(), await larger.bill()
            samples["n"].append(taken_s * MS_A_SECOND)
            samples["2 n"].append(twice_s * MS_A_SECOND)
            samples["rate"].append(larger.subscriptions / twice_s)
    return samples


async def _make(url: str) -> None:
    await Service("billing", "billing.app").migrations.upgrade(url)
    database = await asyncpg.connect(url)
    for statement in _PRICED:
        await database.execute(statement)
    await database.close()


@asynccontextmanager
async def _open(url: str, count: int) -> AsyncGenerator[Shop]:
    clock, database = MovableClock(), await asyncpg.connect(url)
    await database.execute(_SUBSCRIBED, count)
    with tempfile.TemporaryDirectory() as folder:
        given = {"environment": "local", "database": {"url": url}, "data_dir": folder}
        app = create_app(Settings.model_validate(given), Ports(clock=clock))
        # The biller alone: nobody publishes what it announces, and no job bills in between.
        with held_back(), logging_to(lambda _: None, level="info", form="json"):
            async with started(app, name="billing") as state:
                yield Shop(clock, state[STATE], database, count)
    await database.close()


GROUP = Group(
    title=f"The biller: {SUBSCRIPTIONS} subscriptions renewed and paid, and twice as many",
    unit="ms",
    run=run,
    figures=[
        Ratio("twice as many subscriptions", "2 n", "n", Target(2.2)),
        Amount("invoices a second", "rate"),
    ],
)
