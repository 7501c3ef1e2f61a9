"""Customers who are closed, and what they paid with, which is removed then.

The release before this one runs on this schema, too.
"""

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0007_closed_customers"
down_revision = "0006_revoked_sessions"


def upgrade(op: Operations) -> None:
    op.add_column("customers", sa.Column("closing_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("customers", sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True))
    op.alter_column("payments", "payment_method_id", nullable=True)
    op.alter_column("payments", "reference", nullable=True)
    op.create_table(
        "sandbox_detachments",
        sa.Column("reference", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("reference", name=op.f("pk_sandbox_detachments")),
    )
