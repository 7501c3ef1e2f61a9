"""The bus of one process: whom it serves while services come and go, and while one of them cannot store."""

from contextlib import AsyncExitStack

import pytest
from company import made

from core.database import DatabaseUnavailable
from core.events import Inbox
from core.events.bus import BusUnavailable, LocalBus


@pytest.fixture
def bus() -> LocalBus:
    return LocalBus()


def inbox_of(service) -> Inbox:
    return Inbox(service.name, service.database, service.noting().subscriptions)


async def test_the_outage_of_one_service_holds_no_other_back(bus, billing, services, away):
    mail = await services("mail")
    async with bus.feeding(inbox_of(billing)), bus.feeding(inbox_of(mail)), away(billing):
        with pytest.raises(BusUnavailable, match="billing does not store events") as told:
            await bus.publish([made()])
        assert len(await mail.inbox()) == 1
    assert not isinstance(told.value.__cause__, DatabaseUnavailable)


async def test_what_a_service_takes_is_refused_once_it_has_stopped(bus, billing):
    async with bus.feeding(inbox_of(billing)):
        await bus.publish([made()])
    with pytest.raises(BusUnavailable, match="billing has stopped"):
        await bus.publish([made()])
    async with bus.feeding(inbox_of(billing)):
        await bus.publish([made()])
    assert len(await billing.inbox()) == 2


async def test_a_replica_that_stops_leaves_the_others(bus, billing):
    async with bus.feeding(inbox_of(billing)):
        async with bus.feeding(inbox_of(billing)):
            pass
        await bus.publish([made()])
    assert len(await billing.inbox()) == 1


async def test_a_service_may_start_while_an_event_is_stored(bus, billing, services):
    mail = await services("mail")
    async with AsyncExitStack() as stack:

        class Starting(Inbox):
            async def receive(self, events, *, reading=None) -> bool:
                await stack.enter_async_context(bus.feeding(inbox_of(mail)))
                return await super().receive(events, reading=reading)

        await stack.enter_async_context(
            bus.feeding(Starting("billing", billing.database, billing.noting().subscriptions))
        )
        await bus.publish([made()])
        assert len(await billing.inbox()) == 1
        await bus.publish([made()])
        assert len(await mail.inbox()) == 1


async def test_an_event_that_cannot_be_stored_is_told_as_its_own_failure(bus, billing):
    async with bus.feeding(inbox_of(billing)):
        with pytest.raises(Exception, match="serializable") as told:
            await bus.publish([made(data={"n": object()})])
    assert not isinstance(told.value, BusUnavailable)
