"""Forgets old attempts at accounts."""

from datetime import timedelta

from core.jobs import Jobs
from core.resources import Resources
from users.throttling.dependencies import build

jobs = Jobs()


@jobs.every(timedelta(hours=1))
async def forget_attempts(resources: Resources) -> None:
    """Keeps the table as small as what goes on."""
    async with resources.database.transaction() as session:
        await build(session, resources).forget_old()
