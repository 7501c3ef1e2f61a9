"""How it is told again which refunds there are."""

from collections.abc import Sequence
from uuid import UUID

from billing.refunds.dependencies import build
from core.dependencies import Session
from core.events import Replays
from core.resources import Resources

replays = Replays()


async def count_refunds(session: Session, resources: Resources) -> int:
    return await build(session, resources).count_announced()


@replays.of("refunds", count=count_refunds)
async def retell_refunds(session: Session, resources: Resources, after: UUID | None, limit: int) -> Sequence[UUID]:
    return await build(session, resources).retell(after=after, limit=limit)
