"""Who did what to whom."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from users.tables import Base


class Action(StrEnum):
    """What is worth a line that nobody can take back."""

    USER_VERIFIED = "user.verified"
    USER_UPDATED = "user.updated"
    USER_ROLES_CHANGED = "user.roles_changed"
    USER_SUSPENDED = "user.suspended"
    USER_REINSTATED = "user.reinstated"
    USER_EXPORTED = "user.exported"
    USER_ERASURE_REQUESTED = "user.erasure_requested"
    USER_ERASED = "user.erased"
    ADMIN_CREATED = "admin.created"
    EMAIL_CHANGE_REQUESTED = "email.change_requested"
    EMAIL_CHANGED = "email.changed"
    PASSWORD_CHANGED = "password.changed"  # noqa: S105 - what happened
    PASSWORD_RESET_REQUESTED = "password.reset_requested"  # noqa: S105 - what happened
    PASSWORD_RESET = "password.reset"  # noqa: S105 - what happened
    SESSION_STARTED = "session.started"
    SESSION_REVOKED = "session.revoked"
    REFRESH_TOKEN_REUSED = "refresh_token.reused"  # noqa: S105 - what happened
    CLIENT_CREATED = "client.created"
    CLIENT_REVOKED = "client.revoked"
    KEY_PUBLISHED = "key.published"
    KEY_ACTIVATED = "key.activated"
    KEY_RETIRED = "key.retired"
    KEY_REMOVED = "key.removed"


class AuditEvent(Base):
    """One line; a trigger refuses to change or delete it, so it names people by their ids only."""

    __tablename__ = "audit_events"
    __table_args__ = (
        Index("ix_audit_events_occurred_at", "occurred_at", "id"),
        Index("ix_audit_events_action", "action", "occurred_at", "id"),
        Index("ix_audit_events_actor", "actor", "occurred_at", "id"),
        Index("ix_audit_events_subject", "subject", "occurred_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    occurred_at: Mapped[datetime]
    action: Mapped[str]
    # `usr_…` or `svc_…`; `operator` at a terminal, `system` by the clock, `anonymous` before any proof.
    actor: Mapped[str]
    # What it was done to: `usr_…`, `ses_…`, `svc_…`, the `kid` of a key.
    subject: Mapped[str]
    # As in the log, which has the client's address for as long as logs are kept.
    request_id: Mapped[str | None]
    details: Mapped[dict[str, Any]] = mapped_column(JSONB)
