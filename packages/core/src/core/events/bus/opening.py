"""From the setting `events.url` to the bus."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module

from core.events.bus.local import LocalBus
from core.events.bus.protocol import Bus
from core.settings import EventSettings


@asynccontextmanager
async def open_bus(settings: EventSettings, *, name: str) -> AsyncIterator[Bus]:
    """`nats://host:port` or `tls://host:port`, several with commas between them; `local:` is this process alone."""
    url = settings.url.get_secret_value()
    if url == "local:":
        yield LocalBus()
        return
    # Only a service that uses it pays for the import, and none of its siblings in the process waits for it.
    nats = await asyncio.to_thread(import_module, "core.events.bus.nats")
    async with nats.open_nats(url, stream=settings.stream, name=name) as bus:
        yield bus
