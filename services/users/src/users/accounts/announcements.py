"""What is told about users to other services."""

from typing import Literal

from core.events import Announced, Announcements

announcements = Announcements()


@announcements.tells("user.activated", "user.updated", "user.suspended")
class UserState(Announced):
    """Where a user stands: what makes a customer of them.

    No name, address or locale: nobody else needs one, and what is not told need not be erased elsewhere.
    """

    id: str
    status: Literal["active", "suspended"]
