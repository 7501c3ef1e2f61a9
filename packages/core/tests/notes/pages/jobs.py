"""What is done with pages from time to time."""

from datetime import timedelta

from core.jobs import Jobs
from core.resources import Resources
from notes.pages.dependencies import build

jobs = Jobs()


@jobs.every(timedelta(hours=1))
async def forget_old_pages(resources: Resources) -> None:
    async with resources.database.transaction() as session:
        await build(session, resources).forget()
