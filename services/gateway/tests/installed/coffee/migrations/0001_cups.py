"""A table of cups, and core's own."""

import sqlalchemy as sa
from alembic.operations import Operations

from core.services import CHASSIS_TABLES

revision = "0001_cups"
down_revision = None


def upgrade(op: Operations) -> None:
    op.create_table("cups", sa.Column("name", sa.Text(), primary_key=True))
    # A service writes them down, as they were at the time; this one will never have a second migration.
    for metadata in CHASSIS_TABLES:
        metadata.create_all(op.get_bind())
