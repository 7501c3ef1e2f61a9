"""Signing keys, and tokens that work once."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from users.tables import Base


class Purpose(StrEnum):
    """What a one-time token is good for, and nothing else."""

    VERIFY_EMAIL = "verify_email"


class SigningKey(Base):
    """A key goes from next (published, not used yet) to active (signs) to retired (verifies what it once signed)."""

    __tablename__ = "signing_keys"
    __table_args__ = (
        CheckConstraint("state IN ('next', 'active', 'retired')", name="state"),
        # However many replicas start at once, one of them makes the first key.
        Index("uq_signing_keys_active", "state", unique=True, postgresql_where=text("state = 'active'")),
    )

    kid: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]
    public_jwk: Mapped[dict[str, Any]] = mapped_column(JSONB)
    # core.tokens.seal_key: AES-256-GCM under a key derived from the setting secret_key.
    sealed_private: Mapped[str]
    created_at: Mapped[datetime]


class OneTimeToken(Base):
    """One row a user and purpose: a new token replaces the older one, a used one is deleted."""

    __tablename__ = "one_time_tokens"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    purpose: Mapped[str] = mapped_column(primary_key=True)
    # What the token is derived from, with a key that is in no table.
    id: Mapped[UUID] = mapped_column(unique=True)
    # SHA-256: enough for 256 random bits, which nobody guesses.
    digest: Mapped[bytes] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
