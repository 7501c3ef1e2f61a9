"""The version of a thing, and a note on it."""

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0003_versions"
down_revision = "0002_jobs"


def upgrade(op: Operations) -> None:
    op.add_column("things", sa.Column("note", sa.String(), nullable=True))
    op.add_column("things", sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False))
