"""The schema of a service's database, brought up to date by numbered files: Alembic without its global state."""

from core.migrations.errors import MigrationError
from core.migrations.migrations import Migrations

__all__ = ["MigrationError", "Migrations"]
