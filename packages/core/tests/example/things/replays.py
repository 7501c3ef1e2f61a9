"""How the example tells again which things there are."""

from collections.abc import Sequence
from uuid import UUID

from core.dependencies import Session
from core.events import Replays
from core.resources import Resources
from example.things.dependencies import build

replays = Replays()


async def count_things(session: Session, resources: Resources) -> int:
    """How many things there are."""
    return await build(session, resources).count()


@replays.of("things", count=count_things)
async def retell_things(session: Session, resources: Resources, after: UUID | None, limit: int) -> Sequence[UUID]:
    """Tells the next things as they are."""
    return await build(session, resources).retell(after=after, limit=limit)
