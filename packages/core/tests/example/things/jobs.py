"""What the example does now and then."""

from datetime import timedelta

from core.jobs import Jobs
from core.resources import Resources
from example.things.dependencies import build

jobs = Jobs()


@jobs.every(timedelta(hours=1), timeout=timedelta(minutes=1))
async def forget_old_things(resources: Resources) -> None:
    """Forgets what was made a year ago or earlier."""
    async with resources.database.transaction() as session:
        await build(session, resources).forget(older_than=timedelta(days=365))
