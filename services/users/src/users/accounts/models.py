"""People."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from users.tables import Base


class Status(StrEnum):
    """Where an account stands; only an active one can be signed in to."""

    PENDING = "pending"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    DELETING = "deleting"
    ERASED = "erased"


class Role(StrEnum):
    """What somebody is to the product; users.accounts.rules says what each may do."""

    USER = "user"
    SUPPORT = "support"
    ADMIN = "admin"


# Whose address is taken.
LIVE = text("status <> 'erased'")
# Who is more than a user: few among many.
STAFF = text("NOT roles <@ ARRAY['user']")


class User(Base):
    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint("status IN ('pending', 'active', 'suspended', 'deleting', 'erased')", name="status"),
        CheckConstraint("roles <@ ARRAY['user', 'support', 'admin']", name="roles"),
        CheckConstraint("status = 'pending' OR verified_at IS NOT NULL", name="active_is_verified"),
        CheckConstraint("(status = 'erased') = (address IS NULL)", name="erased_has_no_address"),
        # One live user an address, races included.
        Index("uq_users_address_live", "address", unique=True, postgresql_where=LIVE),
        # The order of a list, of all and of those whom a filter leaves.
        Index("ix_users_created_at", "created_at", "id"),
        Index("ix_users_status", "status", "created_at", "id"),
        Index("ix_users_staff", "created_at", "id", postgresql_where=STAFF),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    # Normalised, for finding; `email` is what the person typed, for writing to them.
    address: Mapped[str | None]
    email: Mapped[str | None]
    status: Mapped[str]
    roles: Mapped[list[str]] = mapped_column(ARRAY(Text))
    name: Mapped[str | None]
    locale: Mapped[str | None]
    # What a client keeps with the account: the name `metadata` is SQLAlchemy's.
    metadata_: Mapped[dict[str, Any]] = mapped_column("metadata", JSONB, server_default=text("'{}'::jsonb"))
    version: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    verified_at: Mapped[datetime | None]
    # When its owner asked for it to be erased.
    deleting_at: Mapped[datetime | None]
