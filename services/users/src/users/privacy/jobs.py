"""Erases in time what nobody answered for."""

from datetime import timedelta

from core.jobs import Jobs
from core.resources import Resources
from users.privacy.dependencies import build

jobs = Jobs()


@jobs.every(timedelta(hours=1))
async def erase_overdue_users(resources: Resources) -> None:
    """Each in a transaction of their own: who is erased stays so if a later one fails."""
    async with resources.database.transaction() as session:
        overdue = await build(session, resources).overdue()
    for user_id in overdue:
        async with resources.database.transaction() as session:
            await build(session, resources).erase(user_id)
