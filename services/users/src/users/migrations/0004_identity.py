"""Key rotation, changes of address, throttled attempts, machine clients and the audit trail."""

import sqlalchemy as sa
from alembic.operations import Operations
from sqlalchemy.dialects import postgresql

revision = "0004_identity"
down_revision = "0003_events"

_REFUSE = """
CREATE FUNCTION refuse_to_change_audit_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit_events is append-only' USING ERRCODE = 'insufficient_privilege';
END $$
"""
_GUARD = """
CREATE TRIGGER audit_events_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_audit_events()
"""


def upgrade(op: Operations) -> None:
    """Adds what an account can do beyond being signed in to."""
    _extend(op)
    _create_clients(op)
    _create_audit(op)
    op.create_table(
        "login_throttles",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("attempted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("blocked_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_login_throttles")),
    )
    op.create_table(
        "former_addresses",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_former_addresses")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_former_addresses_user_id_users"), ondelete="CASCADE"
        ),
    )
    op.create_index(op.f("ix_former_addresses_user_id"), "former_addresses", ["user_id"])


def _extend(op: Operations) -> None:
    empty = sa.text("'{}'::jsonb")
    op.add_column("users", sa.Column("metadata", postgresql.JSONB(), server_default=empty, nullable=False))
    op.add_column("users", sa.Column("deleting_at", sa.DateTime(timezone=True)))
    op.create_index("ix_users_created_at", "users", ["created_at", "id"])
    op.create_index("ix_users_status", "users", ["status", "created_at", "id"])
    staff = sa.text("NOT roles <@ ARRAY['user']")
    op.create_index("ix_users_staff", "users", ["created_at", "id"], postgresql_where=staff)
    op.drop_index("ix_sessions_user_id_live", "sessions")
    op.create_index("ix_sessions_user_id", "sessions", ["user_id", "created_at", "id"])
    op.create_index("ix_sessions_ended", "sessions", [sa.text("coalesce(revoked_at, idle_expires_at)")])
    op.add_column("signing_keys", sa.Column("activated_at", sa.DateTime(timezone=True)))
    op.add_column("signing_keys", sa.Column("retired_at", sa.DateTime(timezone=True)))
    op.alter_column("signing_keys", "sealed_private", nullable=True)
    op.create_check_constraint(
        op.f("ck_signing_keys_sealed_private"), "signing_keys", "(state = 'retired') = (sealed_private IS NULL)"
    )
    op.execute("UPDATE signing_keys SET activated_at = created_at WHERE state = 'active'")
    next_ = sa.text("state = 'next'")
    op.create_index("uq_signing_keys_next", "signing_keys", ["state"], unique=True, postgresql_where=next_)
    op.add_column("one_time_tokens", sa.Column("new_email", sa.Text()))
    op.create_check_constraint(
        op.f("ck_one_time_tokens_new_email"), "one_time_tokens", "(purpose = 'change_email') = (new_email IS NOT NULL)"
    )


def _create_clients(op: Operations) -> None:
    op.create_table(
        "service_clients",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("secret_digest", sa.LargeBinary()),
        sa.Column("public_jwk", postgresql.JSONB()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_clients")),
        sa.CheckConstraint(
            "(secret_digest IS NULL) <> (public_jwk IS NULL)", name=op.f("ck_service_clients_one_proof")
        ),
    )
    live = sa.text("revoked_at IS NULL")
    op.create_index("uq_service_clients_name_live", "service_clients", ["name"], unique=True, postgresql_where=live)
    op.create_table(
        "client_assertions",
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("jti_digest", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("client_id", "jti_digest", name=op.f("pk_client_assertions")),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["service_clients.id"],
            name=op.f("fk_client_assertions_client_id_service_clients"),
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_client_assertions_expires_at", "client_assertions", ["expires_at"])


def _create_audit(op: Operations) -> None:
    op.create_table(
        "audit_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text()),
        sa.Column("details", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_events")),
    )
    op.create_index("ix_audit_events_occurred_at", "audit_events", ["occurred_at", "id"])
    op.create_index("ix_audit_events_action", "audit_events", ["action", "occurred_at", "id"])
    op.create_index("ix_audit_events_actor", "audit_events", ["actor", "occurred_at", "id"])
    op.create_index("ix_audit_events_subject", "audit_events", ["subject", "occurred_at", "id"])
    op.execute(_REFUSE)
    op.execute(_GUARD)
