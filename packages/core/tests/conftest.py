"""core is tested through the smallest whole service, which lives beside its tests."""

import sys
from pathlib import Path

import pytest

from core.services import Service

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def service() -> Service:
    """The example service."""
    return Service("example", "example.app")
