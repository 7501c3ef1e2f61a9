"""Here the migrations are what is tested: each test has a database with nothing in it."""

import itertools
import os

import pytest
from schemas import Package, counter

numbers = itertools.count()


@pytest.fixture
def database_url(postgres):
    name = f"migrations_{os.getpid()}_{next(numbers)}"
    postgres.create_database(name)
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture
def package(tmp_path, monkeypatch) -> Package:
    monkeypatch.syspath_prepend(tmp_path)
    return Package(tmp_path, f"shop{next(counter)}")
