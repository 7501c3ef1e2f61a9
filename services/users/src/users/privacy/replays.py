"""How it is told again who waits to be erased."""

from collections.abc import Sequence
from uuid import UUID

from core.dependencies import Session
from core.events import Replays
from core.resources import Resources
from users.privacy.dependencies import build

replays = Replays()


async def count_leaving(session: Session, resources: Resources) -> int:
    """How many users wait for their erasure."""
    return await build(session, resources).count_leaving()


@replays.of("erasures", count=count_leaving)
async def retell_leaving(session: Session, resources: Resources, after: UUID | None, limit: int) -> Sequence[UUID]:
    """Asks again for the next of them."""
    return await build(session, resources).retell(after=after, limit=limit)
