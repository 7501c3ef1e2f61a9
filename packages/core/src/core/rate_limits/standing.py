"""How a key stands against a limit, out of what a sliding window counts."""

from dataclasses import dataclass
from math import floor
from typing import Self

from limits import RateLimitItem

from core.errors import RateLimited
from core.telemetry.exchange import Exchange

# Hits of the last window, and for how many seconds they have a share yet; then of this one, a period longer.
Window = tuple[int, float, int, float]
# A shared storage rounds to milliseconds, and a time of day in floating point to less.
_INACCURACY_S = 0.01


@dataclass(frozen=True, slots=True)
class Standing:
    """How a key stands after a hit: whether it was within the limit, what is left, when there is more (in seconds)."""

    name: str
    rate: RateLimitItem
    allowed: bool
    remaining: int
    more_in_s: int

    @classmethod
    def of(cls, window: Window, *, name: str, rate: RateLimitItem, allowed: bool) -> Self:
        """The standing after a hit that was `allowed` or not, and left the counts at `window`."""
        return cls(name, rate, allowed, _remaining(rate, window), _more_in_s(rate, window))

    def enforce(self) -> None:
        """Lets the hit pass.

        Raises:
            RateLimited: it was beyond the limit.
        """
        if not self.allowed:
            raise RateLimited(retry_after_s=self.more_in_s)

    def tell(self, exchange: Exchange) -> None:
        """Tells the client on the response, whatever that will be (draft-ietf-httpapi-ratelimit-headers-11)."""
        policy = f'"{self.name}";q={self.rate.amount};w={self.rate.get_expiry()}'
        standing = f'"{self.name}";r={self.remaining};t={self.more_in_s}'
        exchange.headers += ((b"ratelimit-policy", policy.encode()), (b"ratelimit", standing.encode()))


def _remaining(rate: RateLimitItem, window: Window) -> int:
    """How many hits are left."""
    last, last_ends_in_s, this, _ = window
    return max(0, rate.amount - floor(last * last_ends_in_s / rate.get_expiry()) - this)


def _more_in_s(rate: RateLimitItem, window: Window) -> int:
    """Whole seconds after which one more hit is left than now, rounded up; at least 1.

    The share of the last window shrinks evenly: it gives back a hit whenever it falls below a whole number of them.
    When it has none to give, this window has to become the last one first.
    """
    last, last_ends_in_s, _, this_ends_in_s = window
    period_s = rate.get_expiry()
    share = floor(last * last_ends_in_s / period_s)
    wait_s = last_ends_in_s - share * period_s / last if share else this_ends_in_s - period_s
    # At that very moment the share is a whole number still: the second after it.
    return max(0, floor(wait_s + _INACCURACY_S)) + 1
