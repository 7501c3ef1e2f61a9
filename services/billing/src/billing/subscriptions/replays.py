"""How it is told again which subscriptions there are."""

from collections.abc import Sequence
from uuid import UUID

from billing.subscriptions.dependencies import build_standing
from core.dependencies import Session
from core.events import Replays
from core.resources import Resources

replays = Replays()


async def count_subscriptions(session: Session, resources: Resources) -> int:
    return await build_standing(session, resources).count_announced()


@replays.of("subscriptions", count=count_subscriptions)
async def retell_subscriptions(
    session: Session, resources: Resources, after: UUID | None, limit: int
) -> Sequence[UUID]:
    return await build_standing(session, resources).retell(after=after, limit=limit)
