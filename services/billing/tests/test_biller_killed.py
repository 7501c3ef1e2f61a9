"""A biller that is killed in the middle: the next run goes on, and bills and charges nothing twice."""

import asyncio
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

import pytest

SETTINGS: dict[str, object] = {}
pytestmark = pytest.mark.usefixtures("polled_often")
# After what it dies, and the invoices and charges that are there then beside those of the first period.
DEATHS = [
    ("before the payment is on record", 0, 0),
    ("before the provider is asked", 1, 0),
    ("after the provider has charged", 1, 1),
]
# By the clock of the sandbox, which both processes read.
ADVANCE = """
    INSERT INTO test_clock VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET offset_s = test_clock.offset_s + $1
"""


@pytest.fixture
def mortal(shop, tmp_path):
    """`await mortal(step)`: a biller that kills itself at this step of its first payment; its exit code."""
    settings = shop.resources.settings
    given = {
        "BILLING_ENVIRONMENT": "local",
        "BILLING_DATABASE__URL": settings.database.url.get_secret_value(),
        "BILLING_DATA_DIR": str(tmp_path),
        "BILLING_SETTLE_AFTER_S": "3600",
    }
    machine = {name: value for name, value in os.environ.items() if not name.startswith("BILLING_")}

    async def run(step):
        command = (str(Path(__file__).with_name("mortal.py")), step, "jobs", "run", "bill")
        # It ends with its input, which is ours.
        streams = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.DEVNULL}
        process = await asyncio.create_subprocess_exec(sys.executable, *command, env=machine | given, **streams)
        try:
            return await asyncio.wait_for(process.wait(), 60)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    return run


@pytest.mark.parametrize(("step", "invoices", "charges"), DEATHS, ids=[death[0] for death in DEATHS])
async def test_the_next_run_completes_what_a_killed_one_has_left(
    payer, price, mortal, run_biller, rows, on_record, becomes, shop, books, step, invoices, charges
):
    # Nobody else is to be billed.
    await rows("UPDATE subscriptions SET status = 'canceled'")
    await payer.subscribe(price)
    await rows(ADVANCE, int(timedelta(days=31).total_seconds()))
    # The one that was killed before holds its lease for minutes.
    await rows("UPDATE jobs SET leased_until = NULL")
    assert await mortal(step) == -signal.SIGKILL
    left = await on_record(payer)
    assert (len(left["invoices"]), len(left["charges"])) == (1 + invoices, 1 + charges)

    async def is_level():
        return (
            shop.resources.clock.ahead.total_seconds() == (await rows("SELECT offset_s FROM test_clock"))[0]["offset_s"]
        )

    await becomes(is_level)
    await run_biller()
    # The time is over after which it is asked what became of a payment.
    await rows("UPDATE outbox SET due_at = now() WHERE type = 'payment.settle' AND sent_at IS NULL")

    async def is_complete():
        paid = {name: ["succeeded"] * 2 for name in ("payments", "charges")}
        return await on_record(payer) == {"subscriptions": ["active"], "invoices": ["paid"] * 2, **paid}

    await becomes(is_complete)
    await books()
    await run_biller()
    assert await is_complete()
