"""How it is told again which pages there are."""

from collections.abc import Sequence
from uuid import UUID

from core.dependencies import Session
from core.events import Replays
from core.resources import Resources
from notes.pages.dependencies import build

replays = Replays()


async def count_pages(session: Session, resources: Resources) -> int:
    return await build(session, resources).count_all()


@replays.of("pages", count=count_pages)
async def retell_pages(session: Session, resources: Resources, after: UUID | None, limit: int) -> Sequence[UUID]:
    return await build(session, resources).retell(after=after, limit=limit)
