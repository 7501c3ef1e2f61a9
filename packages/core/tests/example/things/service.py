"""What can be done with things, and how it is refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from core.clock import Clock
from core.database import Position
from core.errors import Conflict, Forbidden, NotFound
from core.events import Events
from core.ids import format_id, new_id
from core.web.etags import Preconditions
from example.things.announcements import ThingState
from example.things.models import Thing
from example.things.repository import ThingQueries, ThingRepository, ThingRow


class ThingForbidden(Forbidden):
    """Nobody may make this thing."""

    code = "thing_forbidden"


class ThingExists(Conflict):
    """There is a thing of this name."""

    code = "thing_exists"


class ThingRefused(Conflict):
    """This thing does not want to be made."""

    code = "thing_refused"


@dataclass(frozen=True, slots=True)
class Things:
    """Things."""

    repository: ThingRepository
    events: Events
    clock: Clock

    async def make(self, name: str, *, note: str | None = None) -> Thing:
        """Makes a thing.

        Raises:
            ThingExists: there is one of this name.
        """
        if name == "forbidden":
            raise ThingForbidden
        thing = Thing(id=new_id(), name=name, note=note, created_at=self.clock.now(), announced=0)
        if not await self.repository.add(thing):
            raise ThingExists
        await self._tell("thing.made", thing)
        if name == "refused":
            raise ThingRefused
        if name == "broken":
            message = "a thing that breaks"
            raise RuntimeError(message)
        return thing

    async def change(self, thing_id: UUID, expected: Preconditions, changes: Mapping[str, Any]) -> Thing:
        """Changes a thing, if it is still what the caller has seen.

        Raises:
            NotFound: there is no such thing.
            PreconditionRequired, PreconditionFailed: see Preconditions.check.
            ThingExists: it would have the name of another.
        """
        thing = await self.repository.locked(thing_id)
        if thing is None:
            raise NotFound
        expected.check(thing.version)
        for name, value in changes.items():
            setattr(thing, name, value)
        if not await self.repository.flush():
            raise ThingExists
        await self._tell("thing.changed", thing)
        return thing

    async def count(self) -> int:
        """How many things there are."""
        return await self.repository.count()

    async def retell(self, *, after: UUID | None, limit: int) -> Sequence[UUID]:
        """Tells the next things again as they are; their ids, in order."""
        things = await self.repository.after(after, limit=limit)
        for thing in things:
            await self._tell("thing.changed", thing)
        return [thing.id for thing in things]

    async def forget(self, *, older_than: timedelta) -> None:
        """Forgets what was made longer ago."""
        await self.repository.forget(made_before=self.clock.now() - older_than)

    async def _tell(self, type_: str, thing: Thing) -> None:
        state = ThingState(id=format_id("thg", thing.id), name=thing.name, note=thing.note)
        await self.events.emit(type_, subject=state.id, data=state, sequence=thing.version)


@dataclass(frozen=True, slots=True)
class ThingViews:
    """Things as they are read."""

    queries: ThingQueries

    async def one(self, thing_id: UUID) -> ThingRow:
        """One thing.

        Raises:
            NotFound: there is no such thing.
        """
        thing = await self.queries.one(thing_id)
        if thing is None:
            raise NotFound
        return thing

    async def page(
        self,
        *,
        after: Position | None,
        limit: int,
        since: datetime | None = None,
        before: datetime | None = None,
    ) -> list[ThingRow]:
        """One more than `limit`, oldest first; of those made since one instant and before another."""
        return await self.queries.page(after=after, limit=limit, since=since, before=before)
