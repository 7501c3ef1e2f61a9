"""How the service of a request is built."""

from typing import Annotated

from fastapi import Depends

from core.dependencies import ResourcesDep, Session
from core.resources import Resources
from example.things.repository import ThingRepository
from example.things.service import Things


def build(session: Session, resources: Resources) -> Things:
    """The service over a session."""
    return Things(ThingRepository(session), resources.events(session), resources.clock)


async def _things(session: Session, resources: ResourcesDep) -> Things:
    return build(session, resources)


ThingsDep = Annotated[Things, Depends(_things)]
