"""How it is told again who the users are."""

from collections.abc import Sequence
from uuid import UUID

from core.dependencies import Session
from core.events import Replays
from core.resources import Resources
from users.accounts.dependencies import build

replays = Replays()


async def count_users(session: Session, resources: Resources) -> int:
    """How many users there are to tell of."""
    return await build(session, resources).count_announced()


@replays.of("users", count=count_users)
async def retell_users(session: Session, resources: Resources, after: UUID | None, limit: int) -> Sequence[UUID]:
    """Tells the next users as they are."""
    return await build(session, resources).retell(after=after, limit=limit)
