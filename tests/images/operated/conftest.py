"""A stack of its own, which is observed, and lost."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from stack import Composed, Stack, composed, product_of

from core.testing.network import free_port


@pytest.fixture(scope="session")
def backups(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of backups."""
    return tmp_path_factory.mktemp("backups")


@pytest.fixture(scope="package")
def stack(images: Mapping[str, str], backups: Path, *, stand_ins: bool) -> Iterator[Stack]:
    """The whole product with those who observe it."""
    told = {
        "COMPOSE_PROFILES": "observability",
        "PROMETHEUS_PORT": str(free_port()),
        "BACKUPS": str(backups),
    }
    with composed(f"operated-{os.getpid()}", stand_ins=stand_ins, environment=told) as running:
        yield running


@pytest.fixture(scope="package")
def product(stack: Stack) -> Composed:
    """The same as the journeys know it, with its admin."""
    with stack.told_on_failure():
        return product_of(stack)
