"""How often something may happen, as a setting or a route says it: `10/minute`."""

import re
from functools import lru_cache

from limits import RateLimitItem, parse_many

AMOUNT_MAX = 1_000_000
PERIOD_S_MAX = 7 * 86_400
ACCEPTED = "a rate such as 600/minute or 10/30 seconds (second, minute, hour, day), at most 1000000 in 7 days"
OFF = "off"

# The library reads it as one.
_NO_PERIOD = re.compile(r"[/r]\s*0", re.IGNORECASE)

# Those of a service, which asks at every request.
_KEPT = 256


@lru_cache(_KEPT)
def rate(text: str) -> RateLimitItem:
    """The rate that `text` says.

    Raises:
        ValueError: it says none, more than one, nothing at all a period, or more than `AMOUNT_MAX` or `PERIOD_S_MAX`.
    """
    try:
        found = parse_many(text)
    except ValueError:
        found = []
    # The library would read the first of several and forget the others.
    if len(found) != 1 or _NO_PERIOD.search(text):
        raise ValueError(f"it is not {ACCEPTED}")
    (said,) = found
    if not 0 < said.amount <= AMOUNT_MAX or said.get_expiry() > PERIOD_S_MAX:
        raise ValueError(f"it is not {ACCEPTED}")
    return said
