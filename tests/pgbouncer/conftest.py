"""Services whose databases are behind PgBouncer in transaction mode; skipped where there is no such program."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.local import Postgres

sys.path.insert(0, str(Path(__file__).parents[1] / "system"))
sys.path.insert(0, str(Path(__file__).parent))

from bouncer import PgBouncer, absent, pgbouncer


@pytest.fixture(scope="session")
def bouncer(postgres: Postgres) -> Iterator[PgBouncer]:
    """A PgBouncer before the PostgreSQL of this run."""
    if why := absent():
        refuse = pytest.fail if os.environ.get("PGBOUNCER_REQUIRED") else pytest.skip
        refuse(f"NOTHING IS TESTED THROUGH PGBOUNCER: {why}")
    with pgbouncer(postgres) as running:
        yield running
