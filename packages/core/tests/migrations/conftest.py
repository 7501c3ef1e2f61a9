"""Here the migrations are what is tested: each test has a database with nothing in it."""

import itertools
import os

import pytest

numbers = itertools.count()


@pytest.fixture
def database_url(postgres):
    name = f"migrations_{os.getpid()}_{next(numbers)}"
    postgres.create_database(name)
    yield postgres.url(name)
    postgres.drop_database(name)
