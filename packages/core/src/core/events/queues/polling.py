"""Turn after turn: at once while there is work, when somebody says so, and now and then while idle."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from core.database import DatabaseUnavailable
from core.events.bus.protocol import BusUnavailable

POLL_S_MIN, POLL_S_MAX = 0.1, 1.0

log = structlog.get_logger("core.events")


async def polling(turn: Callable[[], Awaitable[bool]], awake: asyncio.Event) -> None:
    """Takes turns until cancelled; pauses while one finds nothing, longer each time, unless `awake` is set.

    An outage of the database or the bus is waited for here: a supervisor's restart would cancel what is under way.
    """
    pause_s, waits = POLL_S_MIN, False
    while True:
        awake.clear()
        try:
            found = await turn()
        except (DatabaseUnavailable, BusUnavailable) as failed:
            if not waits:
                log.warning("events wait", cause=str(failed.__cause__ or failed))
            waits = True
            await asyncio.sleep(POLL_S_MAX)
            continue
        if waits:
            log.info("events go on")
        waits = False
        pause_s = POLL_S_MIN if found else min(pause_s * 2, POLL_S_MAX)
        with suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await awake.wait()
