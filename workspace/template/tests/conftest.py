"""The service under test: acme."""

import pytest

from core.services import Service


@pytest.fixture(scope="session")
def service() -> Service:
    return Service("acme", "acme.app")
