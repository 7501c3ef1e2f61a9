"""How it is told again which credit notes there are."""

from collections.abc import Sequence
from uuid import UUID

from billing.credit_notes.dependencies import build
from core.dependencies import Session
from core.events import Replays
from core.resources import Resources

replays = Replays()


async def count_credit_notes(session: Session, resources: Resources) -> int:
    return await build(session, resources).count_announced()


@replays.of("credit_notes", count=count_credit_notes)
async def retell_credit_notes(session: Session, resources: Resources, after: UUID | None, limit: int) -> Sequence[UUID]:
    return await build(session, resources).retell(after=after, limit=limit)
