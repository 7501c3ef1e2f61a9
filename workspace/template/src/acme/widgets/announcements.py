"""What acme tells other services of widgets."""

from typing import Self

from acme.widgets.models import Widget
from core.events import Announced, Announcements
from core.ids import format_id

announcements = Announcements()


@announcements.tells("widget.made", "widget.changed")
class WidgetState(Announced):
    """A widget as it is after the change."""

    id: str
    owner: str
    name: str
    note: str | None

    @classmethod
    def of(cls, widget: Widget) -> Self:
        return cls(
            id=format_id("wdg", widget.id),
            owner=widget.owner,
            name=widget.name,
            note=widget.note,
        )


@announcements.tells("widget.removed")
class RemovedWidget(Announced):
    """Which one is no more."""

    id: str
    owner: str

    @classmethod
    def of(cls, widget: Widget) -> Self:
        return cls(id=format_id("wdg", widget.id), owner=widget.owner)
