"""What becomes of events while the services of one process stop and start, and while their bus is away."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from core.application import service as make_service
from core.events import Announced, Announcements, Event, Handlers
from core.events.bus import LocalBus
from core.events.outbox.relay import EVENTS_MAX
from core.mount import ServiceMount
from core.ports import Ports
from core.resources import Resource
from core.services import Service
from core.settings import SecretUrl
from core.testing import Host, running
from core.testing.locally import local_settings
from core.testing.network import free_port

AN_EVENT = """
    INSERT INTO outbox (id, type, subject, sequence, time, data)
    VALUES (gen_random_uuid(), 'thing.made', 'thg_1', 1, now(), '{"name": "chair"}')
"""


class Closing:
    """A resource that closes when the test says so."""

    def __init__(self) -> None:
        self.has_begun = asyncio.Event()
        self.may_end = asyncio.Event()
        self.may_end.set()

    @asynccontextmanager
    async def open(self, _resources: Any) -> AsyncIterator["Closing"]:
        yield self
        self.has_begun.set()
        await self.may_end.wait()


@pytest.fixture
def closing() -> Closing:
    return Closing()


@pytest.fixture
def heard() -> list[str]:
    """What the second service has heard of the first."""
    return []


@pytest.fixture
def build(
    service: Service, settings, second_url: str, tmp_path: Path, closing: Closing, heard: list[str]
) -> Callable[[], Host]:
    """`build()`: two services, of which the second one hears of the first, and stops before it."""
    announcements, handlers = Announcements(), Handlers()

    @announcements.tells("thing.made")
    class ThingState(Announced):
        name: str

    @handlers.on("thing.made", source="teller")
    async def hear(event: Event, _resources: Any) -> None:
        heard.append(event.data["name"])

    second = local_settings(service, database_url=second_url, folder=tmp_path)
    patient = second.model_copy(update={"server": second.server.model_copy(update={"close_timeout_s": 60})})

    def build() -> Host:
        ports = Ports(bus=LocalBus())
        parts = {"handlers": [handlers], "resources": [Resource(Closing, closing.open)]}
        return Host(
            ServiceMount("teller", make_service("teller", settings, ports, routers=[], announces=[announcements])),
            ServiceMount("hearer", make_service("hearer", patient, ports, routers=[], **parts)),
        )

    return build


async def test_what_is_announced_while_a_process_stops_is_heard_when_it_has_started_again(
    build, closing, heard, admin: asyncpg.Connection, becomes, logs
):
    async def waits() -> bool:
        return any(line["event"] == "events wait" and line["cause"] == "hearer has stopped" for line in logs)

    async def announce_while_it_stops() -> None:
        await closing.has_begun.wait()
        await admin.execute(AN_EVENT)
        await becomes(waits)
        closing.may_end.set()

    closing.may_end.clear()
    announcing = asyncio.create_task(announce_while_it_stops())
    async with running(build()):
        pass
    await announcing
    assert heard == []
    assert await admin.fetchval("SELECT count(*) FROM outbox WHERE sent_at IS NULL AND attempts = 0") == 1

    async def is_heard() -> bool:
        return bool(heard)

    async with running(build()):
        await becomes(is_heard)
    assert heard == ["chair"]


async def test_a_service_whose_bus_is_away_starts_and_works(service, settings, signed_in, admin, becomes, logs):
    nobody = {"url": SecretUrl(f"nats://127.0.0.1:{free_port()}")}
    away = settings.model_copy(update={"events": settings.events.model_copy(update=nobody)})
    async with running(service.create_app(away, Ports())) as client:
        assert (await client.get("/readyz")).status_code == 200
        made = await client.post("/v1/things", json={"name": "a"}, headers=signed_in() | {"Idempotency-Key": "1"})
        assert made.status_code == 201

        async def waits() -> bool:
            return any(line["event"] == "events wait" for line in logs)

        await becomes(waits)
        # Its own handler needs no bus.
        await becomes(lambda: admin.fetchval("SELECT announced = 1 FROM things"))
        assert (await client.get("/readyz")).status_code == 200
    assert await admin.fetchval("SELECT sent_at IS NULL AND dead_at IS NULL FROM outbox")


async def test_deferred_work_goes_on_while_what_is_announced_waits_for_the_bus(settings, admin):
    announcements, handlers = Announcements(), Handlers()
    checked = asyncio.Event()

    @announcements.tells("thing.made")
    class ThingState(Announced):
        name: str

    @handlers.on("thing.check")
    async def check(*_: object) -> None:
        checked.set()

    # More than are published at once, and before the work.
    await admin.execute(f"""
        INSERT INTO outbox (id, type, subject, sequence, time, data)
        SELECT gen_random_uuid(), 'thing.made', 'thg_' || n, 1, now(), '{{"name": "chair"}}'
        FROM generate_series(1, {EVENTS_MAX + 1}) AS n
    """)  # noqa: S608 - ours
    nobody = {"url": SecretUrl(f"nats://127.0.0.1:{free_port()}")}
    away = settings.model_copy(update={"events": settings.events.model_copy(update=nobody)})
    teller = make_service("teller", away, Ports(), routers=[], announces=[announcements], handlers=[handlers])
    async with running(Host(ServiceMount("teller", teller))):
        await admin.execute(AN_EVENT.replace("thing.made", "thing.check"))
        await asyncio.wait_for(checked.wait(), 60)
    assert await admin.fetchval("SELECT count(*) FROM outbox WHERE sent_at IS NULL") == EVENTS_MAX + 1


def test_a_service_loads_what_speaks_to_a_bus_only_when_it_needs_it():
    program = "import sys, example.app; print('core.events.bus' in sys.modules, 'nats' in sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "True False\n"
