"""The business clock over HTTP, where it can be moved."""

from billing.test_clock.dependencies import BusinessTimeDep, may_read, may_write
from billing.test_clock.schemas import ClockAdvance, ClockRead
from core.routing import Router

router = Router(prefix="/v1/test-clock", tags=["test_clock"])


@router.get("", dependencies=[may_read])
async def read_test_clock(time: BusinessTimeDep) -> ClockRead:
    return ClockRead.of(time.clock, await time.backlog())


@router.post("/advance", dependencies=[may_write])
async def advance_test_clock(body: ClockAdvance, time: BusinessTimeDep) -> ClockRead:
    await time.advance(body.to)
    return ClockRead.of(time.clock, await time.backlog())
