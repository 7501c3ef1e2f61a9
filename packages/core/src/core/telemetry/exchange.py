"""What the chassis knows of the request that runs: one object a request, in its scope and in a context variable."""

from contextvars import ContextVar
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from time import perf_counter

from core.tracing import trace_fields

# The key of the exchange in an ASGI scope.
EXCHANGE = "core.exchange"


@dataclass(frozen=True, slots=True)
class Identity:
    """Which service speaks; its log lines and its spans say so by the names of OpenTelemetry's resource."""

    name: str
    version: str
    environment: str

    @classmethod
    def of(cls, name: str, environment: str) -> "Identity":
        """The service of the installed distribution `name`; version 0 if it is none: an example, or one in a test."""
        try:
            return cls(name, version(name), environment)
        except PackageNotFoundError:
            return cls(name, "0", environment)

    @property
    def fields(self) -> dict[str, str]:
        """What it is called in a log line and on a span."""
        return {
            "service.name": self.name,
            "service.version": self.version,
            "deployment.environment.name": self.environment,
        }


class Exchange:
    """One request and its response, as the access line and the logs tell of them."""

    __slots__ = (
        "bytes_sent",
        "client",
        "failure_logged",
        "headers",
        "method",
        "request_id",
        "route",
        "service",
        "started",
        "status",
        "trace",
    )

    def __init__(self, *, service: Identity, request_id: str, method: str, client: str | None) -> None:
        self.service = service
        self.request_id = request_id
        self.method = method
        self.client = client
        self.trace = trace_fields()
        self.started = perf_counter()
        self.status = 0
        self.bytes_sent = 0
        self.route: str | None = None
        # One failure is logged once, by whichever layer meets it first.
        self.failure_logged = False
        # What the operation says of itself, on whatever is answered in its name.
        self.headers: list[tuple[bytes, bytes]] = []


current_exchange: ContextVar[Exchange | None] = ContextVar("current_exchange", default=None)

# The service in whose name a task outside any request runs: lifespan, relay, periodic work.
current_service: ContextVar[Identity | None] = ContextVar("current_service", default=None)


def request_id() -> str | None:
    """The id of the request that runs, or None outside any."""
    exchange = current_exchange.get()
    return exchange.request_id if exchange else None
