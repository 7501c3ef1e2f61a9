"""How it is told again which invoices there are."""

from collections.abc import Sequence
from uuid import UUID

from billing.invoices.dependencies import build
from core.dependencies import Session
from core.events import Replays
from core.resources import Resources

replays = Replays()


async def count_invoices(session: Session, resources: Resources) -> int:
    return await build(session, resources).count_announced()


@replays.of("invoices", count=count_invoices)
async def retell_invoices(session: Session, resources: Resources, after: UUID | None, limit: int) -> Sequence[UUID]:
    return await build(session, resources).retell(after=after, limit=limit)
