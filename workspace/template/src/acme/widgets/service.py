"""What can be done with widgets, and how it is refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from acme.widgets.models import Widget
from acme.widgets.repository import WidgetQueries, WidgetRepository, WidgetRow
from core.clock import Clock
from core.database import Position
from core.errors import NotFound
from core.ids import new_id
from core.web.etags import Preconditions


@dataclass(frozen=True, slots=True)
class Widgets:
    """The widgets of one owner, as they are written."""

    repository: WidgetRepository
    clock: Clock
    owner: str

    async def make(self, *, name: str, note: str | None) -> Widget:
        widget = Widget(id=new_id(), owner=self.owner, name=name, note=note, version=1, created_at=self.clock.now())
        await self.repository.add(widget)
        return widget

    async def change(self, widget_id: UUID, expected: Preconditions, changes: Mapping[str, Any]) -> Widget:
        widget = await self._expected(widget_id, expected)
        for name, value in changes.items():
            setattr(widget, name, value)
        await self.repository.flush()
        return widget

    async def remove(self, widget_id: UUID, expected: Preconditions) -> None:
        await self.repository.remove(await self._expected(widget_id, expected))

    async def _expected(self, widget_id: UUID, expected: Preconditions) -> Widget:
        widget = await self.repository.locked(widget_id)
        if widget is None:
            raise NotFound
        expected.check(widget.version)
        return widget


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
