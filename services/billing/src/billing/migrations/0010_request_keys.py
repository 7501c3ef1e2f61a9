"""The request that subscribed is kept with those that change a subscription, and its own column is given up.

The release before this one runs on this schema, too: it writes the column and reads it, and the one after drops it.
"""

from alembic.operations import Operations

revision = "0010_request_keys"
down_revision = "0009_refunds_and_credit_notes"


def upgrade(op: Operations) -> None:
    """Lets it be empty."""
    op.alter_column("subscriptions", "request_key", nullable=True)
