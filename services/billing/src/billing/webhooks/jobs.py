"""Forgets what the provider told long ago."""

from datetime import timedelta

from billing.webhooks.dependencies import build
from core.jobs import Jobs
from core.resources import Resources

jobs = Jobs()


@jobs.every(timedelta(hours=1))
async def forget_provider_events(resources: Resources) -> None:
    """Some at a time: what was deleted stays so if a later part fails."""
    more = True
    while more:
        async with resources.database.transaction() as session:
            more = await build(session, resources).forget_old()
