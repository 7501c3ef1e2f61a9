"""Every query of widgets; one for a request names the owner, so that nobody else's are found."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from acme.widgets.models import Widget
from core.database import Position, Query, ReadSession, page_parameters, paged


class WidgetRow(BaseModel, frozen=True):
    """What is read of one."""

    id: UUID
    name: str
    note: str | None
    version: int
    created_at: datetime


_COLUMNS = select(*(getattr(Widget, name) for name in WidgetRow.model_fields))
_OWN = _COLUMNS.where(Widget.owner == bindparam("owner"))
_ONE = Query(_OWN.where(Widget.id == bindparam("id")), WidgetRow)
_PAGE = Query(paged(_OWN, Widget.created_at, Widget.id), WidgetRow)


@dataclass(frozen=True, slots=True)
class WidgetRepository:
    """The widgets of one owner, in the transaction of a session."""

    session: AsyncSession
    owner: str

    async def add(self, widget: Widget) -> None:
        self.session.add(widget)
        await self.session.flush()

    async def locked(self, widget_id: UUID) -> Widget | None:
        """As it is now; nobody changes it until the transaction ends."""
        own = select(Widget).where(Widget.owner == self.owner, Widget.id == widget_id)
        return await self.session.scalar(own.with_for_update())

    async def first_locked(self, *, until: datetime, limit: int) -> Sequence[Widget]:
        """Some of those made until then, the oldest first; nobody changes them until the transaction ends."""
        own = select(Widget).where(Widget.owner == self.owner, Widget.created_at <= until)
        first = own.order_by(Widget.created_at, Widget.id).limit(limit)
        return (await self.session.scalars(first.with_for_update())).all()

    async def flush(self) -> None:
        """Writes what has changed, which counts its version up."""
        await self.session.flush()

    async def remove(self, widget: Widget) -> None:
        await self.session.delete(widget)
        await self.session.flush()


@dataclass(frozen=True, slots=True)
class EveryWidget:
    """The widgets of all owners, which no request asks for."""

    session: AsyncSession

    async def count(self) -> int:
        return await self.session.scalar(select(func.count()).select_from(Widget)) or 0

    async def after(self, widget_id: UUID | None, *, limit: int) -> Sequence[Widget]:
        """The next ones in the order of their ids; nobody changes them until the transaction ends."""
        widgets = select(Widget).order_by(Widget.id).limit(limit).with_for_update(read=True)
        following = widgets if widget_id is None else widgets.where(Widget.id > widget_id)
        return (await self.session.scalars(following)).all()


@dataclass(frozen=True, slots=True)
class WidgetQueries:
    """Reads of one owner's widgets, each on a snapshot of its own."""

    reads: ReadSession
    owner: str

    async def one(self, widget_id: UUID) -> WidgetRow | None:
        return await self.reads.first(_ONE, owner=self.owner, id=widget_id)

    async def page(self, *, after: Position | None, limit: int) -> list[WidgetRow]:
        """One more than `limit`, the oldest first."""
        return await self.reads.all(_PAGE, owner=self.owner, **page_parameters(after, limit))
