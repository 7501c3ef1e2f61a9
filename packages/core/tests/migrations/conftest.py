"""Temporary: what core's own pytest plugin will say."""

import itertools
import os

import pytest

from core.local import throw_away_postgres

numbers = itertools.count()


@pytest.fixture(scope="session")
def anyio_backend():
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(scope="session")
def postgres():
    with throw_away_postgres("migrations-room") as server:
        yield server


@pytest.fixture
def database_url(postgres):
    name = f"migrations_{os.getpid()}_{next(numbers)}"
    postgres.create_database(name)
    yield postgres.url(name)
    postgres.drop_database(name)
