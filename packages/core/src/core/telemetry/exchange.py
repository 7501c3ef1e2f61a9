"""What the chassis knows of the request that runs: one object a request, in its scope and in a context variable."""

from collections.abc import Mapping, MutableMapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from math import inf
from time import perf_counter
from types import MappingProxyType
from typing import Any

import orjson

from core.tracing import trace_fields

# The key of the exchange in an ASGI scope.
EXCHANGE = "core.exchange"
NO_HEADERS: Mapping[bytes, bytes] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Identity:
    """Which service speaks; its log lines and its spans say so by the names of OpenTelemetry's resource."""

    name: str
    version: str
    environment: str
    # What it is called in a log line and on a span; and the same as JSON, without braces, for lines rendered in place.
    fields: Mapping[str, str] = field(init=False, repr=False, compare=False)
    fields_json: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Names the fields, and renders them, once and not for every line."""
        names = {
            "service.name": self.name,
            "service.version": self.version,
            "deployment.environment.name": self.environment,
        }
        object.__setattr__(self, "fields", names)
        object.__setattr__(self, "fields_json", orjson.dumps(names)[1:-1])

    @classmethod
    def of(cls, name: str, environment: str) -> "Identity":
        """The service of the installed distribution `name`; version 0 if it is none: an example, or one in a test."""
        try:
            return cls(name, version(name), environment)
        except PackageNotFoundError:
            return cls(name, "0", environment)


class Exchange:
    """One request and its response, as the access line and the logs tell of them."""

    __slots__ = (
        "begun",
        "bytes_sent",
        "cancelled_at",
        "client",
        "deadline",
        "ended",
        "failure_logged",
        "headers",
        "held",
        "method",
        "request_headers",
        "request_id",
        "route",
        "service",
        "started",
        "status",
        "trace",
    )

    def __init__(
        self,
        *,
        service: Identity,
        request_id: str,
        method: str,
        client: str | None,
        request_headers: Mapping[bytes, bytes] = NO_HEADERS,
    ) -> None:
        self.service = service
        self.request_id = request_id
        self.method = method
        self.client = client
        # Of a header that came more than once, the last line.
        self.request_headers = request_headers
        self.trace = trace_fields()
        self.started = perf_counter()
        # The head of the response while none of its body is there; it can still be replaced.
        self.held: MutableMapping[str, Any] | None = None
        # Whether some of the response has been sent, so that no other can take its place.
        self.begun = False
        # 0 until then.
        self.status = 0
        self.bytes_sent = 0
        self.ended = False
        # When its time is up, by the clock of `started`; and how many cancellations were asked for then.
        self.deadline = inf
        self.cancelled_at: int | None = None
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
