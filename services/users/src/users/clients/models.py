"""Machines that call on their own behalf."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from users.tables import Base

LIVE = text("revoked_at IS NULL")


class ServiceClient(Base):
    """A machine client: it proves itself with a secret (`client_secret_basic`) or a key (`private_key_jwt`)."""

    __tablename__ = "service_clients"
    __table_args__ = (
        CheckConstraint("(secret_digest IS NULL) <> (public_jwk IS NULL)", name="one_proof"),
        # Whoever comes after a client that was revoked may be called as it was.
        Index("uq_service_clients_name_live", "name", unique=True, postgresql_where=LIVE),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    # SHA-256: enough for 256 random bits, which nobody guesses.
    secret_digest: Mapped[bytes | None]
    public_jwk: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class ClientAssertion(Base):
    """An assertion (RFC 7523) that was shown: each `jti` of a client works once."""

    __tablename__ = "client_assertions"
    __table_args__ = (Index("ix_client_assertions_expires_at", "expires_at"),)

    client_id: Mapped[UUID] = mapped_column(ForeignKey("service_clients.id", ondelete="CASCADE"), primary_key=True)
    jti_digest: Mapped[bytes] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime]
