"""A process that is killed at each step of a payment: another one settles it, and everybody's books agree."""

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import httpx
import pytest

from core.client import InProcess
from core.events.bus import LocalBus
from core.ids import format_id, new_id
from core.lifespan import started
from core.ports import Ports
from core.testing import SERVICE_URL
from core.testing.locally import minting
from core.testing.network import free_port

pytestmark = pytest.mark.usefixtures("polled_often")
# Where it dies, what is then on record here, and in the provider's books.
DEATHS = [
    ("before the payment is on record", [], []),
    ("before the provider is asked", ["processing"], []),
    ("after the provider has charged", ["processing"], ["succeeded"]),
    ("before the result is on record", ["processing"], ["succeeded"]),
    ("before the answer is sent", ["succeeded"], ["succeeded"]),
]


@pytest.fixture
def given(database_url, tmp_path):
    """The settings of both processes: what is left open is asked about when the test says so."""
    return {
        "environment": "local",
        "public_url": SERVICE_URL,
        "data_dir": str(tmp_path),
        "database": {"url": database_url, "pool_size": 5, "read_pool_size": 2},
        "settle_after_s": 3600,
    }


@pytest.fixture
def environment(given):
    """The same for a process of its own."""
    database = {f"DATABASE__{name.upper()}": value for name, value in given["database"].items()}
    told = {name.upper(): value for name, value in given.items() if name != "database"} | database
    machine = {name: value for name, value in os.environ.items() if not name.startswith("BILLING_")}
    return machine | {f"BILLING_{name}": str(value) for name, value in told.items()} | {"BILLING_EVENTS__URL": "local:"}


@pytest.fixture
async def rows(database_url):
    """What the database has, as the test sees it from outside."""
    database = await asyncpg.connect(database_url)

    async def run(statement, *values):
        return [dict(record) for record in await database.fetch(statement, *values)]

    yield run
    await database.close()


@pytest.fixture
def statuses(rows):
    """`await statuses("payments")`: those of all rows of a table."""

    async def read(table):
        return [each["status"] for each in await rows(f"SELECT status FROM {table}")]  # noqa: S608 - ours

    return read


@pytest.fixture
def header(service, given, tmp_path):
    """The headers of one person who buys, and keeps the catalog, in both processes."""
    token = minting(service.settings.model_validate(given), tmp_path)
    return {"Authorization": f"Bearer {token('catalog:write', subject=format_id('usr', new_id()))}"}


@pytest.fixture
def mortal(environment, header, becomes):
    """`async with mortal(step) as (client, process)`: a process that kills itself at this step of a payment."""

    @asynccontextmanager
    async def run(step):
        port = free_port()
        command = (str(Path(__file__).with_name("mortal.py")), step, "serve", "--port", str(port))
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *command,
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
        )
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=header, timeout=60) as client:

                async def is_ready():
                    try:
                        return (await client.get("/readyz")).status_code == 200
                    except httpx.TransportError:
                        return process.returncode is not None

                await becomes(is_ready, patience_s=60)
                yield client, process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    return run


@pytest.fixture
def survivor(service, given, header):
    """`async with survivor() as client`: another process, which lives."""

    @asynccontextmanager
    async def run():
        app = service.create_app(service.settings.model_validate(given), Ports(bus=LocalBus()))
        async with (
            started(app, name="billing") as state,
            httpx.AsyncClient(transport=InProcess(app, state), base_url=SERVICE_URL, headers=header) as client,
        ):
            yield client

    return run


async def post(client, path, body, key):
    return await client.post(path, json=body, headers={"Idempotency-Key": key})


async def priced(client):
    """What is bought: somebody with a card, and a price."""
    plan = (await post(client, "/v1/plans", {"name": "Team"}, "plan")).json()
    terms = {"model": "flat", "unit_amount": "1000", "currency": "EUR", "interval": "month", "tax_rate": "0.21"}
    price = (await post(client, f"/v1/plans/{plan['id']}/prices", terms, "price")).json()
    await post(client, "/v1/payment-methods", {"provider_token": "pm_card_visa"}, "card")
    return {"price_id": price["id"]}


@pytest.mark.parametrize(("step", "payments", "charges"), DEATHS, ids=[death[0] for death in DEATHS])
async def test_a_payment_whose_process_was_killed_is_settled_once(
    mortal, survivor, rows, statuses, becomes, balanced, step, payments, charges
):
    async with mortal(step) as (client, process):
        order = await priced(client)
        with pytest.raises(httpx.TransportError):
            await post(client, "/v1/subscriptions", order, "buy")
        assert await process.wait() == -signal.SIGKILL
    assert (await statuses("payments"), await statuses("sandbox_charges")) == (payments, charges)
    async with survivor() as client:
        # The time is over after which it is asked what became of a payment.
        await rows("UPDATE outbox SET due_at = now() WHERE type = 'payment.settle'")
        settled = "SELECT 1 FROM inbox WHERE type = 'payment.settle' AND handled_at IS NOT NULL"

        async def is_settled():
            return len(await rows(settled)) == len(payments)

        await becomes(is_settled)
        found = [await statuses(table) for table in ("payments", "sandbox_charges", "invoices", "subscriptions")]
        assert found == [[status] * len(payments) for status in ("succeeded", "succeeded", "paid", "active")]
        # So is the lease after which a retry takes over what the dead one had claimed.
        await rows("UPDATE idempotency_keys SET leased_until = now() WHERE status IS NULL")
        bought = (await post(client, "/v1/subscriptions", order, "buy")).json()
        assert bought["status"] == "active"
    assert (await statuses("payments"), await statuses("sandbox_charges")) == (["succeeded"], ["succeeded"])
    await balanced(bought["customer_id"])
