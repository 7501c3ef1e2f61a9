"""How it is told again what customers may use."""

from collections.abc import Sequence
from uuid import UUID

from billing.entitlements.dependencies import build
from core.dependencies import Session
from core.events import Replays
from core.resources import Resources

replays = Replays()


async def count_entitlements(session: Session, resources: Resources) -> int:
    return await build(session, resources).count_announced()


@replays.of("entitlements", count=count_entitlements)
async def retell_entitlements(session: Session, resources: Resources, after: UUID | None, limit: int) -> Sequence[UUID]:
    return await build(session, resources).retell(after=after, limit=limit)
