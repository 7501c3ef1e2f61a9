"""Opens the rate limits of a service over the storage that its settings name."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from core.rate_limits.limiter import RateLimits
from core.rate_limits.memory import BoundedMemory


@asynccontextmanager
async def open_rate_limits(
    url: str, *, service: str, key: bytes, uncounted: Callable[[], None]
) -> AsyncGenerator[RateLimits]:
    """Rate limits counted at `url`; `uncounted` is called for each hit that the storage did not count."""
    if url.startswith("memory:"):
        yield RateLimits(BoundedMemory(), key=key, uncounted=uncounted)
        return
    from core.rate_limits.shared import shared_storage  # noqa: PLC0415 - its client library is an extra

    async with shared_storage(url, service=service) as storage:
        yield RateLimits(storage, key=key, uncounted=uncounted)
