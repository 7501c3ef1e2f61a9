"""What can be done with widgets, and how it is refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from acme.widgets.announcements import RemovedWidget, WidgetState
from acme.widgets.models import Widget
from acme.widgets.repository import EveryWidget, WidgetQueries, WidgetRepository, WidgetRow
from core.clock import Clock
from core.database import Position
from core.errors import NotFound
from core.events import Events
from core.ids import new_id
from core.web.etags import Preconditions

# So that a transaction stays short.
REMOVED_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Widgets:
    """The widgets of one owner, as they are written."""

    repository: WidgetRepository
    events: Events
    clock: Clock
    owner: str

    async def make(self, *, name: str, note: str | None) -> Widget:
        widget = Widget(id=new_id(), owner=self.owner, name=name, note=note, version=1, created_at=self.clock.now())
        await self.repository.add(widget)
        await _tell(self.events, "widget.made", widget)
        return widget

    async def change(self, widget_id: UUID, expected: Preconditions, changes: Mapping[str, Any]) -> Widget:
        widget = await self._expected(widget_id, expected)
        for name, value in changes.items():
            setattr(widget, name, value)
        await self.repository.flush()
        await _tell(self.events, "widget.changed", widget)
        return widget

    async def remove(self, widget_id: UUID, expected: Preconditions) -> None:
        await self._remove(await self._expected(widget_id, expected))

    async def clear(self) -> datetime:
        """Has all removed that were made until now, which it gives; after the answer, for they may be many."""
        until = self.clock.now()
        await self._clear(until)
        return until

    async def remove_some(self, *, until: datetime) -> None:
        """Removes the first of those made until then, and has the rest removed after them."""
        widgets = await self.repository.first_locked(until=until, limit=REMOVED_AT_ONCE)
        for widget in widgets:
            await self._remove(widget)
        if len(widgets) == REMOVED_AT_ONCE:
            await self._clear(until)

    async def _clear(self, until: datetime) -> None:
        work = {"owner": self.owner, "until": until.isoformat()}
        await self.events.emit("widget.clear", subject=self.owner, data=work)

    async def _remove(self, widget: Widget) -> None:
        await self.repository.remove(widget)
        removed = RemovedWidget.of(widget)
        # Newer than all that was told of it.
        await self.events.emit("widget.removed", subject=removed.id, data=removed, sequence=widget.version + 1)

    async def _expected(self, widget_id: UUID, expected: Preconditions) -> Widget:
        widget = await self.repository.locked(widget_id)
        if widget is None:
            raise NotFound
        expected.check(widget.version)
        return widget


@dataclass(frozen=True, slots=True)
class WidgetReplay:
    """The widgets of all owners, as they are told again."""

    widgets: EveryWidget
    events: Events

    async def count(self) -> int:
        return await self.widgets.count()

    async def retell(self, *, after: UUID | None, limit: int) -> Sequence[UUID]:
        """Tells the next ones as they are; gives their ids, in order."""
        widgets = await self.widgets.after(after, limit=limit)
        for widget in widgets:
            await _tell(self.events, "widget.changed", widget)
        return [widget.id for widget in widgets]


@dataclass(frozen=True, slots=True)
class WidgetViews:
    """The widgets of one owner, as they are read."""

    queries: WidgetQueries

    async def one(self, widget_id: UUID) -> WidgetRow:
        widget = await self.queries.one(widget_id)
        if widget is None:
            raise NotFound
        return widget

    async def page(self, *, after: Position | None, limit: int) -> list[WidgetRow]:
        return await self.queries.page(after=after, limit=limit)


async def _tell(events: Events, type_: str, widget: Widget) -> None:
    state = WidgetState.of(widget)
    await events.emit(type_, subject=state.id, data=state, sequence=widget.version)
