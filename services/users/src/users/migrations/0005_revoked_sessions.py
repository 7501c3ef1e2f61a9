"""Revoked sessions, whose access tokens are refused."""

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0005_revoked_sessions"
down_revision = "0004_identity"


def upgrade(op: Operations) -> None:
    op.create_table(
        "revoked_sessions",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_revoked_sessions")),
    )
    op.create_index("ix_revoked_sessions_expires_at", "revoked_sessions", ["expires_at"])
