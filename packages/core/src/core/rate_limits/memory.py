"""Counts kept in this process, in bounded memory."""

import time
from collections import OrderedDict

from limits.aio.storage import MemoryStorage

# Up to two for each client and limit; 100,000 take about 30 MB.
KEYS_MAX = 100_000


class BoundedMemory(MemoryStorage):
    """The library's storage with a bound, and without its look at every key at every hit.

    Above the bound the key that was not hit for the longest time is forgotten: a client that is being limited stays
    counted, however many others there are. All of it runs within one step of the event loop, so that no two hits meet.
    """

    def __init__(self, keys_max: int = KEYS_MAX) -> None:
        super().__init__()
        self._keys_max = keys_max
        # In the order of their last hit.
        self._counts: OrderedDict[str, int] = OrderedDict()
        self.storage = self._counts  # type: ignore[assignment] - of a Counter, the library uses what every dict has

    async def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Counts a hit; the count after it."""
        count = self._counts[key] = await self.get(key) + amount
        self._counts.move_to_end(key)
        self.expirations.setdefault(key, time.time() + expiry)
        self._forget()
        return count

    def _forget(self) -> None:
        now = time.time()
        while len(self._counts) > self._keys_max or self.expirations[next(iter(self._counts))] <= now:
            key, _ = self._counts.popitem(last=False)
            del self.expirations[key]
