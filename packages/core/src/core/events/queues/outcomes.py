"""Writes the outcome of an attempt, even though the database is away for a moment."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from core.cancellation import is_ending, settled
from core.database import DatabaseUnavailable

# As long as a lease: then the attempt is somebody else's anyway.
PATIENCE_S = 60.0
PAUSE_S = 1.0

log = structlog.get_logger("core.events")


async def recorded(outcome: Callable[[], Awaitable[None]]) -> None:
    """Waits until the outcome is written, whoever cancels; during an outage until then, or until somebody does.

    What cannot be written is attempted again when its lease has run out.
    """
    clock = asyncio.get_running_loop().time
    ends_at = clock() + PATIENCE_S
    while True:
        try:
            return await settled(outcome())
        except DatabaseUnavailable as failed:
            if is_ending() or clock() >= ends_at:
                log.warning("events will be attempted again", cause=str(failed.__cause__ or failed))
                return None
        await asyncio.sleep(PAUSE_S)
