"""What the example tells other services about things."""

from core.events import Announced, Announcements

announcements = Announcements()


@announcements.tells("thing.made", "thing.changed")
class ThingState(Announced):
    """A thing as it is after the change."""

    id: str
    name: str
    note: str | None
