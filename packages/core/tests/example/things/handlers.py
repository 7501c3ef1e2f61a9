"""What the example does when a thing was made."""

from core.dependencies import Session
from core.events import Event, Handlers
from core.resources import Resources
from example.things.repository import ThingRepository

handlers = Handlers()


@handlers.once("thing.made")
async def announce_thing(event: Event, session: Session, _resources: Resources) -> None:
    """Counts the announcement, once."""
    await ThingRepository(session).announce(event.data["name"])
