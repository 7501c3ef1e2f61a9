"""How it is told again which payments there are."""

from collections.abc import Sequence
from uuid import UUID

from billing.payments.dependencies import build
from core.dependencies import Session
from core.events import Replays
from core.resources import Resources

replays = Replays()


async def count_payments(session: Session, resources: Resources) -> int:
    return await build(session, resources).count_announced()


@replays.of("payments", count=count_payments)
async def retell_payments(session: Session, resources: Resources, after: UUID | None, limit: int) -> Sequence[UUID]:
    return await build(session, resources).retell(after=after, limit=limit)
