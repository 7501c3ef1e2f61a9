"""What is done about machine clients by the clock."""

from datetime import timedelta

from core.clock import SystemClock
from core.jobs import Jobs
from core.resources import Resources
from users.clients.repository import ProofRepository

jobs = Jobs()


@jobs.every(timedelta(hours=1))
async def forget_client_assertions(resources: Resources) -> None:
    """Deletes assertions that have expired, and so are refused for that."""
    await ProofRepository(resources.database).forget_assertions(before=SystemClock().now())
