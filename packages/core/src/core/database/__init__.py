"""PostgreSQL as a service sees it: transactions, reads, column types, names of constraints."""

from core.database.columns import UtcDateTime
from core.database.engine import Database, open_database
from core.database.naming import metadata
from core.database.outage import DatabaseUnavailable
from core.database.reads import Query, ReadSession

__all__ = ["Database", "DatabaseUnavailable", "Query", "ReadSession", "UtcDateTime", "metadata", "open_database"]
