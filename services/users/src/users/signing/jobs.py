"""Replaces signing keys in time."""

from datetime import timedelta

from core.jobs import Jobs
from core.resources import Resources
from users.signing.dependencies import build

jobs = Jobs()


@jobs.every(timedelta(minutes=1))
async def rotate_signing_keys(resources: Resources) -> None:
    """Publishes the next key, has it sign, and removes what nothing needs any more: whatever is due."""
    async with resources.database.transaction() as session:
        await build(session, resources).advance()
