"""When the biller runs."""

from datetime import timedelta

from billing.biller.dependencies import build
from core.jobs import Jobs
from core.resources import Resources

# What is left over when the time is up waits for the next run, which begins a few seconds later.
WITHIN = timedelta(seconds=55)
# What has begun by then is done before this, even by a provider that takes its time. With the margin of a lease it is
# also for how long a process that was killed keeps the others from billing: that two never bill the same, locks see to.
TIMEOUT = timedelta(seconds=85)

jobs = Jobs()


@jobs.every(timedelta(minutes=1), timeout=TIMEOUT)
async def bill(resources: Resources) -> None:
    """Bills what is due: some of it in this run, what is left over in the next one."""
    await build(resources).run(within_s=WITHIN.total_seconds())
