"""How it is told again which sessions were ended."""

from collections.abc import Sequence
from uuid import UUID

from core.dependencies import Session
from core.events import Replays
from core.resources import Resources
from users.sessions.dependencies import build

replays = Replays()


async def count_ended(session: Session, resources: Resources) -> int:
    """How many sessions were ended that access tokens may still be shown of."""
    return await build(session, resources).count_ended()


@replays.of("sessions", count=count_ended)
async def retell_ended(session: Session, resources: Resources, after: UUID | None, limit: int) -> Sequence[UUID]:
    """Tells the next of them."""
    return await build(session, resources).retell(after=after, limit=limit)
