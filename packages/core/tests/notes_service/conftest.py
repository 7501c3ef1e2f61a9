"""The service under test: notes, written from the documentation alone."""

import pytest

from core.services import Service


@pytest.fixture(scope="session")
def service() -> Service:
    return Service("notes", "notes.app")
