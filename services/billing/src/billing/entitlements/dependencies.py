"""How entitlements are built."""

from typing import Annotated

from fastapi import Depends

from billing.entitlements.repository import EntitlementQueries, EntitlementRepository
from billing.entitlements.service import Entitlements, EntitlementViews
from core.dependencies import ReadSession, Session
from core.resources import Resources


def build(session: Session, resources: Resources) -> Entitlements:
    """Entitlements in the transaction of `session`."""
    return Entitlements(EntitlementRepository(session), resources.events(session), resources.clock)


async def _views(reads: ReadSession) -> EntitlementViews:
    return EntitlementViews(EntitlementQueries(reads))


EntitlementViewsDep = Annotated[EntitlementViews, Depends(_views)]
