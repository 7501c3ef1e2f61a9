"""The workspace under test: its package, and copies of the whole project in which commands may do what they do.

What is made in a copy is called otters, as no team calls its service: the name is free whatever has been added here.
"""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parent))

from repositories import copied, git


@pytest.fixture(scope="session", autouse=True)
def interrupts() -> Iterator[None]:
    """What runs in the background ignores interrupts, and so would each shell that it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project as it is now."""
    return copied(tmp_path_factory.mktemp("project") / "copy")


@pytest.fixture
def tree(project: Path, tmp_path: Path) -> Path:
    """A copy for one test, which brings no environment."""
    # Half as long as to copy the files.
    git(tmp_path, "clone", "--quiet", "--shared", str(project), "tree")
    return tmp_path / "tree"
