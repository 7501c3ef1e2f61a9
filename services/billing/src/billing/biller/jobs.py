"""When the biller runs."""

from datetime import timedelta

from billing.biller.dependencies import build
from core.jobs import Jobs
from core.resources import Resources

# Also how long a process that was killed keeps the others from billing; what is left over waits for the next run.
TIMEOUT = timedelta(minutes=3)
# What has begun by then is done before the time limit, even by a provider that takes its time.
WITHIN = timedelta(minutes=2, seconds=30)

jobs = Jobs()


@jobs.every(timedelta(minutes=1), timeout=TIMEOUT)
async def bill(resources: Resources) -> None:
    """Bills what is due: some of it in this run, what is left over in the next one."""
    await build(resources).run(within_s=WITHIN.total_seconds())
