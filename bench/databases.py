"""A PostgreSQL for the length of a run: in memory where there is some, and nothing is synced."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from bench.rows import make_tables
from core.local import throw_away_postgres


@contextmanager
def an_empty_database(name: str) -> Iterator[str]:
    """The URL of a new database."""
    with throw_away_postgres("bench") as postgres:
        postgres.drop_database(name)
        postgres.create_database(name)
        yield postgres.url(name)
        postgres.drop_database(name)


@contextmanager
def a_database(name: str) -> Iterator[str]:
    """The URL of a database with the rows."""
    with an_empty_database(name) as url:
        asyncio.run(make_tables(url))
        yield url
