"""What the chassis itself does now and then in every service."""

from datetime import timedelta

from core.events import Retention
from core.idempotency import Claims
from core.jobs import Jobs
from core.resources import Resources
from core.revocations import forget_revoked

housekeeping = Jobs()


@housekeeping.every(timedelta(hours=1))
async def forget_idempotency_keys(resources: Resources) -> None:
    """Deletes stored answers that are no longer kept."""
    await Claims(resources.database).forget()


@housekeeping.every(timedelta(hours=1))
async def forget_events(resources: Resources) -> None:
    """Deletes events that were sent and handled, and are no longer kept."""
    await Retention(resources.database).forget()


@housekeeping.every(timedelta(hours=1))
async def forget_revoked_sessions(resources: Resources) -> None:
    """Deletes revoked sessions whose access tokens have expired."""
    await forget_revoked(resources.database)
