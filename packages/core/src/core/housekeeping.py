"""What the chassis itself does now and then in every service."""

from datetime import timedelta

from core.events import Retention
from core.idempotency import Claims
from core.jobs import Jobs
from core.resources import Resources

housekeeping = Jobs()


@housekeeping.every(timedelta(hours=1))
async def forget_idempotency_keys(resources: Resources) -> None:
    """Deletes stored answers that are no longer kept."""
    await Claims(resources.database).forget()


@housekeeping.every(timedelta(hours=1))
async def forget_events(resources: Resources) -> None:
    """Deletes events that were sent and handled, and are no longer kept."""
    await Retention(resources.database).forget()
