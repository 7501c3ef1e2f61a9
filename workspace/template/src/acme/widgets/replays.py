"""How acme tells again which widgets there are, for a service that asks later than they were made."""

from collections.abc import Sequence
from uuid import UUID

from acme.widgets.dependencies import build_replay
from core.dependencies import Session
from core.events import Replays
from core.resources import Resources

replays = Replays()


async def count_widgets(session: Session, resources: Resources) -> int:
    return await build_replay(session, resources).count()


@replays.of("widgets", count=count_widgets)
async def retell_widgets(session: Session, resources: Resources, after: UUID | None, limit: int) -> Sequence[UUID]:
    return await build_replay(session, resources).retell(after=after, limit=limit)
