"""Failed attempts at accounts."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from users.tables import Base


class LoginThrottle(Base):
    """The attempts at one address since the last that succeeded, whether anybody has an account there or not."""

    __tablename__ = "login_throttles"

    # HMAC-SHA256 of the normalised address: whose attempts these are is read in no table.
    key: Mapped[bytes] = mapped_column(primary_key=True)
    attempts: Mapped[int]
    attempted_at: Mapped[datetime]
    blocked_until: Mapped[datetime]
