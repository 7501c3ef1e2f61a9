"""What is told about sessions to other services."""

from datetime import datetime

from core.events import Announced, Announcements

announcements = Announcements()


@announcements.tells("session.revoked")
class SessionEnded(Announced):
    """A session that was ended, for whoever believes access tokens without asking.

    Its tokens (`sid`) are to be refused until `access_token_lifetime_s` after `revoked_at`, when the last has expired.
    Whose session it was is not told: the tokens say it.
    """

    id: str
    revoked_at: datetime
    access_token_lifetime_s: int
