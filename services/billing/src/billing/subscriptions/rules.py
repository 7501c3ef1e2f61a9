"""When the periods of a subscription end."""

from calendar import monthrange
from datetime import datetime

from billing.catalog.models import Interval

_MONTHS = {"month": 1, "year": 12}


def boundary(anchor: datetime, interval: Interval, count: int) -> datetime:
    """The instant at which the `count`th period after `anchor` ends.

    Computed from the anchor, never from the boundary before: 31 January, 29 February, 31 March.
    """
    months = anchor.year * 12 + anchor.month - 1 + count * _MONTHS[interval]
    year, month = months // 12, months % 12 + 1
    return anchor.replace(year=year, month=month, day=min(anchor.day, monthrange(year, month)[1]))
