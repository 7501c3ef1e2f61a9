"""A table of cups."""

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0001_cups"
down_revision = None


def upgrade(op: Operations) -> None:
    op.create_table("cups", sa.Column("name", sa.Text(), primary_key=True))
