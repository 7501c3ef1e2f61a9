"""Edges before servers whose every request is kept."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from services import service
from upstreams import Upstream, upstream

from core.testing.caddy import edge


@dataclass(frozen=True)
class Front:
    """An edge, and the replicas of `things` behind it."""

    url: str
    replicas: list[Upstream]
    log: Path

    @property
    def things(self) -> str:
        """Where the service is for the world."""
        return f"{self.url}/things"

    @property
    def behind(self) -> Upstream:
        """The only replica."""
        (replica,) = self.replicas
        return replica


@contextmanager
def front_of(folder: Path, replicas: int = 1, **options: Any) -> Iterator[Front]:
    """An edge, and so many servers behind it, until the block ends."""
    with ExitStack() as running:
        behind = [running.enter_context(upstream()) for _ in range(replicas)]
        log = folder / "edge.log"
        url = running.enter_context(edge({"things": [each.address for each in behind]}, log=log, **options))
        yield Front(url, behind, log)


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Callable[..., Front]]:
    """Starts an edge of this test alone: `front(replicas=2, EDGE_BODY_TIMEOUT="1s")`."""
    with ExitStack() as running:
        yield lambda **options: running.enter_context(front_of(tmp_path, **options))


@pytest.fixture(scope="session")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with front_of(tmp_path_factory.mktemp("edge")) as shared:
        yield shared


@pytest.fixture
def plain(_shared: Front) -> Front:
    """An edge that is told nothing, which has seen nothing yet."""
    _shared.behind.seen.clear()
    return _shared


@pytest.fixture(scope="session")
def _hurried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    times: dict[str, Any] = dict.fromkeys(
        ("EDGE_HEAD_TIMEOUT", "EDGE_BODY_TIMEOUT", "EDGE_WRITE_TIMEOUT", "EDGE_IDLE_TIMEOUT"), "1s"
    )
    with front_of(tmp_path_factory.mktemp("hurried"), **times) as hurried:
        yield hurried


@pytest.fixture
def impatient(_hurried: Front) -> Front:
    """An edge that waits a second, which has seen nothing yet."""
    _hurried.behind.seen.clear()
    return _hurried


@dataclass(frozen=True)
class Real:
    """An edge, and a service of the chassis behind it, which believes it."""

    url: str
    address: str


@pytest.fixture(scope="session")
def real() -> Iterator[Real]:
    """A service as it runs in production."""
    with service(trusted_proxies=["127.0.0.1/32"]) as started, edge({"things": [started.address]}) as url:
        yield Real(url, started.address)
