"""Processes that are killed where it hurts most, and anywhere: each event that is committed happens once."""

import secrets

from death import OF_CONSUMER, OF_PRODUCER, Death

# How many events are claimed, fetched and delivered at a time.
AT_ONCE = (
    "core.events.outbox.relay.EVENTS_MAX",
    "core.events.bus.nats.delivery.MESSAGES_MAX",
    "core.events.inbox.dispatcher.DELIVERIES_MAX",
)


async def test_an_event_is_applied_once_wherever_a_process_kills_itself(stage):
    points = {**dict.fromkeys(OF_PRODUCER, "producer"), **dict.fromkeys(OF_CONSUMER, "consumer")}
    share = stage.events // (len(points) + 1)
    # Each life has work of its own, and so little at once that it comes to its point more often than it survives it.
    constants = dict.fromkeys(AT_ONCE, share // 5)
    for number, (point, service) in enumerate(points.items(), 1):
        part = {"events": share * number, "death": Death(point, survived=2), "constants": constants}
        async with stage.running(**part) as processes:
            await stage.died(processes[service])
    async with stage.running(events=stage.events):
        await stage.each_was_applied_once()


async def test_an_event_is_applied_once_whenever_processes_are_killed(stage):
    alive = {services: await stage.start(services, events=stage.events) for services in stage.casts}
    async for _ in stage.at_times(8 + stage.events // 250):
        services = secrets.choice(stage.casts)
        await stage.kill(alive[services])
        alive[services] = await stage.start(services, events=stage.events)
    await stage.each_was_applied_once()
