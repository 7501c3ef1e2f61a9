"""What can be done with things, and how it is refused."""

from dataclasses import dataclass

from core.clock import Clock
from core.errors import Conflict, Forbidden
from core.events import Events
from core.ids import format_id, new_id
from example.things.models import Thing
from example.things.repository import ThingRepository


class ThingForbidden(Forbidden):
    """Nobody may make this thing."""

    code = "thing_forbidden"


class ThingRefused(Conflict):
    """This thing does not want to be made."""

    code = "thing_refused"


@dataclass(frozen=True, slots=True)
class Things:
    """Things."""

    repository: ThingRepository
    events: Events
    clock: Clock

    async def make(self, name: str) -> Thing:
        """Makes a thing."""
        if name == "forbidden":
            raise ThingForbidden
        thing = Thing(id=new_id(), name=name, created_at=self.clock.now(), announced=0)
        await self.repository.add(thing)
        await self.events.emit("thing.made", subject=format_id("thg", thing.id), data={"name": name}, sequence=1)
        if name == "refused":
            raise ThingRefused
        if name == "broken":
            message = "a thing that breaks"
            raise RuntimeError(message)
        return thing
