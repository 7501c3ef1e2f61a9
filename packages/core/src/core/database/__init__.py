"""PostgreSQL as a service sees it: transactions, reads, column types, names of constraints."""

from core.database.columns import UtcDateTime
from core.database.engine import Database, open_database
from core.database.naming import metadata
from core.database.outage import DatabaseUnavailable
from core.database.paging import Position, page_parameters, paged
from core.database.reads import Query, ReadSession
from core.database.usage import measure_pools

__all__ = [
    "Database",
    "DatabaseUnavailable",
    "Position",
    "Query",
    "ReadSession",
    "UtcDateTime",
    "measure_pools",
    "metadata",
    "open_database",
    "page_parameters",
    "paged",
]
