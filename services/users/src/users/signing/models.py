"""Signing keys."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from users.tables import Base


class State(StrEnum):
    """Where a key is in its life; one that is no longer needed is deleted."""

    # Published, so that verifiers have it before its first signature.
    NEXT = "next"
    # The one that signs.
    ACTIVE = "active"
    # Published, because what it has signed is not expired yet.
    RETIRED = "retired"


class SigningKey(Base):
    """A key that signs access tokens, will sign them, or has."""

    __tablename__ = "signing_keys"
    __table_args__ = (
        CheckConstraint("state IN ('next', 'active', 'retired')", name="state"),
        # What signs no more is no longer there to be stolen.
        CheckConstraint("(state = 'retired') = (sealed_private IS NULL)", name="sealed_private"),
        # However many replicas start at once, one of them makes the first key.
        Index("uq_signing_keys_active", "state", unique=True, postgresql_where=text("state = 'active'")),
        Index("uq_signing_keys_next", "state", unique=True, postgresql_where=text("state = 'next'")),
    )

    kid: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]
    public_jwk: Mapped[dict[str, Any]] = mapped_column(JSONB)
    # core.tokens.seal_key: AES-256-GCM under a key derived from the setting secret_key.
    sealed_private: Mapped[str | None]
    # Since when it is published.
    created_at: Mapped[datetime]
    activated_at: Mapped[datetime | None]
    retired_at: Mapped[datetime | None]
