"""Sessions: one a sign-in."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from users.tables import Base


class UserSession(Base):
    __tablename__ = "sessions"
    __table_args__ = (
        CheckConstraint("idle_expires_at <= expires_at", name="idle_within_absolute"),
        # The ended ones, too: an export reads them, and whoever deletes a user would else have all sessions looked at.
        Index("ix_sessions_user_id", "user_id", "created_at", "id"),
        Index("ix_sessions_ended", text("coalesce(revoked_at, idle_expires_at)")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    # Which refresh token is the current one; the token itself is computed, and stored nowhere.
    refresh_counter: Mapped[int]
    rotated_at: Mapped[datetime]
    created_at: Mapped[datetime]
    # The session ends at the earlier one; every refresh moves it, up to the later one.
    idle_expires_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    device_name: Mapped[str | None]
    user_agent: Mapped[str | None]
    # A network, not an address: enough to recognise one's own sessions.
    ip: Mapped[str | None]
