"""A subscription that is behind with its payments ends with its period, too.

The release before this one runs on this schema, too.
"""

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0011_subscriptions_that_end"
down_revision = "0010_request_keys"


def upgrade(op: Operations) -> None:
    """Has the biller's index hold it."""
    op.drop_index("ix_subscriptions_due", "subscriptions")
    op.create_index(
        "ix_subscriptions_due",
        "subscriptions",
        ["current_period_end", "id"],
        postgresql_where=sa.text("status IN ('trialing', 'active') OR (status = 'past_due' AND cancel_at_period_end)"),
    )
