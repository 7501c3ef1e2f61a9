"""When an invoice is tried again that nobody could collect."""

from datetime import datetime, timedelta

# After the first failure, in days.
RETRY_DAYS = (2, 7, 14, 21)


def next_attempt(*, first_failed_at: datetime, failures: int) -> datetime | None:
    """When the next attempt is due after so many have failed; None: there is no other."""
    if failures > len(RETRY_DAYS):
        return None
    return first_failed_at + timedelta(days=RETRY_DAYS[failures - 1])
