"""Signing keys."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from users.tables import Base


class SigningKey(Base):
    """A key goes from next (published, not used yet) to active (signs) to retired (verifies what it once signed)."""

    __tablename__ = "signing_keys"
    __table_args__ = (
        CheckConstraint("state IN ('next', 'active', 'retired')", name="state"),
        # However many replicas start at once, one of them makes the first key.
        Index("uq_signing_keys_active", "state", unique=True, postgresql_where=text("state = 'active'")),
        Index("uq_signing_keys_next", "state", unique=True, postgresql_where=text("state = 'next'")),
    )

    kid: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]
    public_jwk: Mapped[dict[str, Any]] = mapped_column(JSONB)
    # core.tokens.seal_key: AES-256-GCM under a key derived from the setting secret_key.
    sealed_private: Mapped[str]
    # Since when it is published.
    created_at: Mapped[datetime]
    activated_at: Mapped[datetime | None]
    retired_at: Mapped[datetime | None]
