"""Tokens that work once."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from users.tables import Base


class Purpose(StrEnum):
    """What a one-time token is good for, and nothing else."""

    VERIFY_EMAIL = "verify_email"
    CHANGE_EMAIL = "change_email"
    RESET_PASSWORD = "reset_password"  # noqa: S105 - the name of a purpose


class OneTimeToken(Base):
    """One row a user and purpose: a new token replaces the older one, a used one is deleted."""

    __tablename__ = "one_time_tokens"
    __table_args__ = (CheckConstraint("(purpose = 'change_email') = (new_email IS NOT NULL)", name="new_email"),)

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    purpose: Mapped[str] = mapped_column(primary_key=True)
    # What the token is derived from, with a key that is in no table.
    id: Mapped[UUID] = mapped_column(unique=True)
    # SHA-256: enough for 256 random bits, which nobody guesses.
    digest: Mapped[bytes] = mapped_column(unique=True)
    # The address that it proves, where it is not the user's yet.
    new_email: Mapped[str | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
