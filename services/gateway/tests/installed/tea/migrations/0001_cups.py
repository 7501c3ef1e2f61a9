"""A table of cups, and core's own."""

import sqlalchemy as sa
from alembic.operations import Operations

from core.events import events_metadata
from core.idempotency import idempotency_metadata

revision = "0001_cups"
down_revision = None


def upgrade(op: Operations) -> None:
    op.create_table("cups", sa.Column("name", sa.Text(), primary_key=True))
    # A service writes them down, as they were at the time; this one will never have a second migration.
    for metadata in (events_metadata, idempotency_metadata):
        metadata.create_all(op.get_bind())
