"""Events of other services, and events that they handle.

What the old inbox remembered is dropped: only handlers with a transaction wrote to it, and this service has had none.
For the same reason, the release before this one runs on this schema, too.
Events that wait in the outbox stay there.
"""

import sqlalchemy as sa
from alembic.operations import Operations
from sqlalchemy.dialects import postgresql

revision = "0005_events"
down_revision = "0004_jobs"


def upgrade(op: Operations) -> None:
    _index_outbox(op)
    op.drop_table("inbox")
    _create_inbox(op)
    _create_positions(op)


def _index_outbox(op: Operations) -> None:
    op.drop_index("ix_outbox_unsent", table_name="outbox")
    open_ = sa.text("sent_at IS NULL AND dead_at IS NULL")
    op.create_index("ix_outbox_unsent", "outbox", ["position"], postgresql_where=open_)
    claimed = sa.text("sent_at IS NULL AND dead_at IS NULL AND attempts > 0")
    op.create_index("ix_outbox_claimed", "outbox", ["position"], postgresql_where=claimed)
    op.create_index("ix_outbox_dead", "outbox", ["position"], postgresql_where=sa.text("dead_at IS NOT NULL"))
    op.create_index("ix_outbox_sent", "outbox", ["sent_at"], postgresql_where=sa.text("sent_at IS NOT NULL"))


def _create_inbox(op: Operations) -> None:
    op.create_table(
        "inbox",
        sa.Column("position", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("data", postgresql.JSONB(), nullable=False),
        sa.Column("traceparent", sa.Text()),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("leased_until", sa.DateTime(timezone=True)),
        sa.Column("dead_at", sa.DateTime(timezone=True)),
        sa.Column("last_error", sa.Text()),
        sa.Column("handled_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_inbox")),
        sa.UniqueConstraint("event_id", "consumer", name=op.f("uq_inbox_event_id_consumer")),
    )
    open_, unhandled = sa.text("handled_at IS NULL AND dead_at IS NULL"), sa.text("handled_at IS NULL")
    lane = ["consumer", "subject", "position"]
    op.create_index("ix_inbox_unhandled", "inbox", ["position"], postgresql_where=open_)
    op.create_index("ix_inbox_unhandled_subject", "inbox", lane, postgresql_where=unhandled)
    claimed = sa.text("handled_at IS NULL AND dead_at IS NULL AND attempts > 0")
    op.create_index("ix_inbox_claimed", "inbox", ["position"], postgresql_where=claimed)
    op.create_index("ix_inbox_dead", "inbox", ["position"], postgresql_where=sa.text("dead_at IS NOT NULL"))
    op.create_index("ix_inbox_handled", "inbox", ["handled_at"], postgresql_where=sa.text("handled_at IS NOT NULL"))


def _create_positions(op: Operations) -> None:
    op.create_table(
        "inbox_sequences",
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("consumer", "subject", name=op.f("pk_inbox_sequences")),
    )
    op.create_table(
        "bus_positions",
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("reader", sa.Uuid()),
        sa.Column("leased_until", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("stream", name=op.f("pk_bus_positions")),
    )
