"""Temporary: what core's own pytest plugin will say."""

import pytest


@pytest.fixture(scope="session")
def anyio_backend():
    return "asyncio", {"use_uvloop": True}
