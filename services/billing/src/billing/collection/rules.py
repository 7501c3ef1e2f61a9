"""When an invoice is tried again that nobody could collect."""

from datetime import datetime, timedelta

# After the first failure, in days.
RETRY_DAYS = (2, 7, 14, 21)
# Between two attempts, however late the first of them was: to bill nobody for weeks must not cost them all attempts.
APART_MIN = timedelta(days=1)


def next_attempt(*, first_failed_at: datetime, failures: int, now: datetime) -> datetime | None:
    """When the next attempt is due after so many have failed, the last of them now; None: there is no other."""
    if failures > len(RETRY_DAYS):
        return None
    return max(first_failed_at + timedelta(days=RETRY_DAYS[failures - 1]), now + APART_MIN)
