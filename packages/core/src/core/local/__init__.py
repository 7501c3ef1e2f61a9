"""What only a laptop or a test run needs: an embedded PostgreSQL, and a directory that one host keeps its data in."""

from core.local.data_directory import DataDirectory
from core.local.errors import LocalError
from core.local.postgres import Postgres
from core.local.throw_away import THROW_AWAY, throw_away_database, throw_away_postgres

__all__ = ["THROW_AWAY", "DataDirectory", "LocalError", "Postgres", "throw_away_database", "throw_away_postgres"]
