"""What is told of pages to other services."""

from core.events import Announced, Announcements

announcements = Announcements()


@announcements.tells("page.made", "page.changed")
class PageState(Announced):
    id: str
    title: str
    folder: str | None
