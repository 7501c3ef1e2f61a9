"""What the chassis knows of the request that runs: one object a request, in its scope and in a context variable."""

from contextvars import ContextVar
from time import perf_counter

# The key of the exchange in an ASGI scope.
EXCHANGE = "core.exchange"


class Exchange:
    """One request and its response, as the access line and the logs tell of them."""

    __slots__ = (
        "bytes_sent",
        "client",
        "failure_logged",
        "method",
        "request_id",
        "route",
        "service",
        "started",
        "status",
    )

    def __init__(self, *, service: str, request_id: str, method: str, client: str | None) -> None:
        self.service = service
        self.request_id = request_id
        self.method = method
        self.client = client
        self.started = perf_counter()
        self.status = 0
        self.bytes_sent = 0
        self.route: str | None = None
        # One failure is logged once, by whichever layer meets it first.
        self.failure_logged = False


current_exchange: ContextVar[Exchange | None] = ContextVar("current_exchange", default=None)

# The service in whose name a task outside any request runs: lifespan, relay, periodic work.
current_service: ContextVar[str | None] = ContextVar("current_service", default=None)


def request_id() -> str | None:
    """The id of the request that runs, or None outside any."""
    exchange = current_exchange.get()
    return exchange.request_id if exchange else None


def service_name() -> str | None:
    """The service whose request or task runs, or None outside any."""
    exchange = current_exchange.get()
    return exchange.service if exchange else current_service.get()
