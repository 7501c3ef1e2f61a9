"""The table of revoked sessions, in every service's own database."""

from sqlalchemy import Column, Table, Uuid

from core.database import UtcDateTime, metadata

revocations_metadata = metadata()

revoked_sessions = Table(
    "revoked_sessions",
    revocations_metadata,
    Column("session_id", Uuid, primary_key=True),
    # When no access token of it is accepted any more in any case.
    Column("expires_at", UtcDateTime, nullable=False, index=True),
)
