"""A consumer that was not there while events were published, and one that never was."""

import pytest

pytestmark = pytest.mark.parametrize("bus", ["nats"], indirect=True)


async def test_a_consumer_that_was_down_catches_up(stage):
    producer = await stage.start(["producer"], events=stage.events // 2)
    consumer = await stage.start(["consumer"])
    await stage.applied(stage.events // 4)
    await stage.kill(consumer)
    await stage.kill(producer)
    await stage.start(["producer"], events=stage.events)
    await stage.sent(stage.events)
    await stage.start(["consumer"])
    await stage.each_was_applied_once()


async def test_a_new_consumer_is_given_all_that_the_stream_has(stage):
    await stage.start(["producer"], events=stage.events)
    await stage.sent(stage.events)
    await stage.start(["consumer"])
    await stage.each_was_applied_once()
