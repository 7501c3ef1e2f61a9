"""Billers in processes of their own: two at once, one killed beside the other, and one that is told to stop."""

import asyncio
import json
import os
import re
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from core.testing.network import free_port

SETTINGS: dict[str, object] = {}
pytestmark = pytest.mark.usefixtures("polled_often")
# Where a biller waits (paced.py): each of the two with what it has found, and one of them for its first answers.
FIRST_FOUND, SECOND_FOUND, CHARGED = 1, 2, 3
# More than a biller works on at a time.
PEOPLE = 6
# By the clock of the sandbox, which all processes read.
ADVANCE = """
    INSERT INTO test_clock VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET offset_s = test_clock.offset_s + $1
"""
# The one that has it goes on, as one that was stopped for minutes would.
LEASE_IS_OVER = """
    INSERT INTO jobs (name, due_at) VALUES ('bill', now())
    ON CONFLICT (name) DO UPDATE SET due_at = now(), leased_until = NULL, failures = 0
"""
WAITING = """
    SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database
    WHERE d.datname = current_database() AND locktype = 'advisory' AND objid = $1 AND NOT granted
"""


@pytest.fixture
async def subscribers(person, price, rows):
    """People whose period has just ended, and nobody else's."""
    await rows("UPDATE subscriptions SET status = 'canceled'")
    people = [person() for _ in range(PEOPLE)]
    for each in people:
        await each.add_card()
        await each.subscribe(price)
    await rows(ADVANCE, int(timedelta(days=31).total_seconds()))
    await rows(LEASE_IS_OVER)
    return people


@pytest.fixture
async def gate(rows, becomes):
    """`await gate.shut(step)`, `await gate.reached(step)`: somebody waits there; `await gate.open(step)`."""

    class Gate:
        async def shut(self, step):
            await rows("SELECT pg_advisory_lock($1)", step)

        async def open(self, step):
            await rows("SELECT pg_advisory_unlock($1)", step)

        async def reached(self, step):
            async def wait():
                return (await rows(WAITING, step))[0]["count"]

            await becomes(wait, patience_s=60)

    yield Gate()
    await rows("SELECT pg_advisory_unlock_all()")


@pytest.fixture
async def start(shop, tmp_path):
    """`process = await start("found=1", "jobs", "run", "bill")`: billing in a process of its own; none outlives it."""
    settings = shop.resources.settings
    given = {
        "BILLING_ENVIRONMENT": "local",
        "BILLING_DATABASE__URL": settings.database.url.get_secret_value(),
        "BILLING_DATA_DIR": str(tmp_path),
        "BILLING_EVENTS__URL": "local:",
        "BILLING_LOGS__FORMAT": "json",
        "BILLING_SETTLE_AFTER_S": "3600",
        # So that it does not answer for as long as the test looks at that.
        "BILLING_PROVIDER_TIMEOUT_S": "10",
    }
    machine = {name: value for name, value in os.environ.items() if not name.startswith("BILLING_")}
    started = []

    async def run(*command, stdout=DEVNULL):
        script = str(Path(__file__).with_name("paced.py"))
        # It ends with its input, which is ours.
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, script, *command), env=machine | given, stdin=PIPE, stdout=stdout
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.fixture
def is_billed_once(subscribers, on_record):
    """Whether everybody has been billed for one more period, and charged for it; never for two."""

    async def look():
        found = [await on_record(each) for each in subscribers]
        assert all(len(each[name]) <= 2 for each in found for name in each)
        done = {name: ["succeeded"] * 2 for name in ("payments", "charges")}
        return found == [{"subscriptions": ["active"], "invoices": ["paid"] * 2, **done}] * PEOPLE

    return look


@pytest.fixture
def is_settled_at_last(rows, run_biller, shop, becomes, is_billed_once, books):
    """`await is_settled_at_last()`: another run, and the reminders, complete what was left."""

    async def is_level():
        offset_s = (await rows("SELECT offset_s FROM test_clock"))[0]["offset_s"]
        return shop.resources.clock.ahead.total_seconds() == offset_s

    async def run():
        await becomes(is_level)
        await run_biller()
        # The time is over after which it is asked what became of a payment.
        await rows("UPDATE outbox SET due_at = now() WHERE type = 'payment.settle' AND sent_at IS NULL")
        await becomes(is_billed_once)
        await books()

    return run


async def two_at_once(start, gate, rows, **more):
    """Two billers, each of which has found the same to do, and has begun none of it."""
    await gate.shut(FIRST_FOUND)
    await gate.shut(SECOND_FOUND)
    command = ("jobs", "run", "bill")
    first = await start(f"found={FIRST_FOUND},charged={CHARGED}", *command)
    await gate.reached(FIRST_FOUND)
    await rows(LEASE_IS_OVER)
    second = await start(f"found={SECOND_FOUND}", *command, **more)
    await gate.reached(SECOND_FOUND)
    return first, second


async def test_two_processes_that_found_the_same_bill_and_charge_it_once(
    subscribers, start, gate, rows, is_billed_once, books
):
    first, second = await two_at_once(start, gate, rows, stdout=PIPE)
    await gate.open(FIRST_FOUND)
    await gate.open(SECOND_FOUND)
    told, _ = await second.communicate()
    # The one whose lease was over can record nothing any more.
    assert [await first.wait(), second.returncode] == [1, 0]
    assert await is_billed_once()
    await books()
    # What an operator reads.
    lines = [json.loads(line) for line in told.splitlines()]
    (done,) = [line for line in lines if line["event"] == "billing is done"]
    assert (done["kind"], done["done"], done["failed"], done["left"]) == ("periods", PEOPLE, 0, 0)
    assert [line["outcome"] for line in lines if line["event"] == "job ran"] == ["succeeded"]


async def test_beside_one_that_is_killed_the_other_goes_on(
    subscribers, start, gate, rows, is_billed_once, is_settled_at_last
):
    await gate.shut(CHARGED)
    first, second = await two_at_once(start, gate, rows)
    await gate.open(FIRST_FOUND)
    # The provider has charged for the first one, who does not know it yet.
    await gate.reached(CHARGED)
    await gate.open(SECOND_FOUND)
    first.kill()
    assert await second.wait() == 0
    assert await first.wait() == -signal.SIGKILL
    await gate.open(CHARGED)
    await is_settled_at_last()


async def test_one_that_is_told_to_stop_beside_a_slow_provider_ends_well_and_leaves_its_turn(
    subscribers, start, gate, rows, becomes, is_settled_at_last
):
    await gate.shut(CHARGED)
    port = free_port()
    process = await start(f"charged={CHARGED}", "serve", "--port", str(port))
    await gate.reached(CHARGED)
    async with httpx.AsyncClient() as client:
        # What an operator sees meanwhile: that it has begun.
        told = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
        (count,) = re.findall(r"^biller_invoices_total (.+)$", told, re.MULTILINE)
        assert 1 <= float(count) <= PEOPLE
    process.terminate()
    # When the orchestrator would kill it.
    assert await asyncio.wait_for(process.wait(), 30) == 0
    (turn,) = await rows("SELECT leased_until, failures, last_error FROM jobs WHERE name = 'bill'")
    assert turn == {"leased_until": None, "failures": 0, "last_error": None}
    await gate.open(CHARGED)
    await is_settled_at_last()
