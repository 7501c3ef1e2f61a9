"""Services whose spans are kept in memory."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from shop import Settings, build

from core.client import InProcess
from core.events.bus import LocalBus
from core.mount import Mounts, ServiceMount
from core.ports import Ports
from core.testing import Host, running

URL = "http://gateway.test"


class Spans:
    """What the services have told so far."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.processor = SimpleSpanProcessor(self._exporter)

    @property
    def all(self) -> list[ReadableSpan]:
        return list(self._exporter.get_finished_spans())

    def named(self, name: str, service: str | None = None) -> ReadableSpan:
        """The one span of this name; of that service, where another has one, too."""
        (found,) = (span for span in self.all if span.name == name and service in {None, service_of(span)})
        return found

    def has(self, name: str, service: str | None = None) -> bool:
        return any(span.name == name and service in {None, service_of(span)} for span in self.all)

    def tree(self) -> set[tuple[str, str, str | None]]:
        """Service, name and the name of the parent, of every span."""
        by_id = {span.context.span_id: span for span in self.all if span.context}

        def parent(span: ReadableSpan) -> str | None:
            return None if span.parent is None else by_id[span.parent.span_id].name

        return {(service_of(span), span.name, parent(span)) for span in self.all}

    def clear(self) -> None:
        self._exporter.clear()


def service_of(span: ReadableSpan) -> str:
    return str(span.resource.attributes["service.name"])


@pytest.fixture
def spans() -> Spans:
    return Spans()


@pytest.fixture
def given(database_url: str, second_url: str, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """`given("front", tracing={"ratio": 0})`: what a service is told."""
    urls = {"front": second_url, "shop": database_url}

    def make(name: str, **more: Any) -> dict[str, Any]:
        settings = {
            "environment": "local",
            "public_url": f"{URL}/{name}",
            "database": {"url": urls[name], "pool_size": 4, "read_pool_size": 2},
            "mail": {"url": f"file:{tmp_path}/mail"},
            "data_dir": str(tmp_path),
            "secret_key": "k9Yw0cQ7b2Vx5Lr8Tn3Zp6Jd1Hf4Gs0A",
            "clients": {"shop": {"url": f"{URL}/shop"}},
        }
        return settings | more

    return make


@pytest.fixture
def hosted(spans: Spans, given: Callable[..., dict[str, Any]]) -> Callable[..., Any]:
    """`async with hosted(front={"tracing": {"ratio": 0}}) as client`: both services mounted in one process."""

    @asynccontextmanager
    async def run(**more: dict[str, Any]) -> AsyncIterator[httpx.AsyncClient]:
        async def dispatch(scope, receive, send) -> None:
            sibling = mounts.find(scope["path"])
            assert sibling is not None
            await sibling(scope, receive, send)

        transports = {"shop": InProcess(dispatch)}
        ports = Ports(transports=transports, bus=LocalBus(), span_processors=[spans.processor])
        services = [
            ServiceMount(name, build(name, Settings(**given(name, **more.get(name, {}))), ports))
            for name in ("shop", "front")
        ]
        mounts = Mounts(services)
        async with running(Host(*services), base_url=URL) as client:
            yield client

    return run


@pytest.fixture
async def client(hosted: Callable[..., Any]) -> AsyncIterator[httpx.AsyncClient]:
    """Both services, everything traced."""
    async with hosted() as client:
        yield client


@pytest.fixture(autouse=True)
def no_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have one."""
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
