"""Forgets sessions that are over."""

from datetime import timedelta

from core.jobs import Jobs
from core.resources import Resources
from users.sessions.dependencies import build

jobs = Jobs()


@jobs.every(timedelta(hours=1))
async def forget_ended_sessions(resources: Resources) -> None:
    """Some at a time: what was deleted stays so if a later part fails."""
    more = True
    while more:
        async with resources.database.transaction() as session:
            more = await build(session, resources).forget_ended()
