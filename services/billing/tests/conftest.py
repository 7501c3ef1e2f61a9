"""The billing service under test, and people who buy from it."""

import pytest

from core.services import Service


@pytest.fixture(scope="session")
def service() -> Service:
    return Service("billing", "billing.app")
