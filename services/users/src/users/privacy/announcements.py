"""What is told about somebody who leaves."""

from core.events import Announced, Announcements

announcements = Announcements()


@announcements.tells("user.erasure_requested", "user.erased")
class Erasure(Announced):
    """A user whose data are to be erased, or have been here: by everybody who holds any."""

    id: str
