"""The outermost layer: gives a request its id and its exchange, counts it, and writes its access line."""

import os
import re
from collections.abc import Iterable, Sequence
from random import Random
from time import perf_counter
from types import FrameType

from starlette.types import ASGIApp, Receive, Scope, Send

from core.metrics import OTHER, RequestMetrics
from core.middleware.client_address import Network, client_address
from core.middleware.outgoing import outgoing
from core.middleware.security_headers import SecurityHeaders
from core.telemetry.exchange import EXCHANGE, Exchange, Identity, current_exchange
from core.telemetry.logs import access_line
from core.tracing import describe_request

# An id must differ from others, and need not be secret. Each read of the system's source of randomness lets go of the
# interpreter's lock: with a second thread in the process (the log's), that alone cost a third of a small request.
_random = Random()  # noqa: S311 - no secret
os.register_at_fork(after_in_child=_random.seed)
_is_request_id = re.compile(rb"[A-Za-z0-9._-]{1,128}").fullmatch


class Edge:
    """Puts `X-Request-ID` on every response, one line a request into the log, and each request into the metrics.

    Status 0 in that line: the request ended before a response began, because the process was told to stop.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        service: Identity,
        requests: RequestMetrics,
        security: SecurityHeaders,
        trusted_proxies: Sequence[Network] = (),
    ) -> None:
        self.app = app
        self._security = security
        self._service = service
        self._requests = requests
        self._trusted_proxies = trusted_proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        client = client_address(scope, self._trusted_proxies)
        if self._trusted_proxies:
            # For all who ask further in. Its port is not known.
            scope["client"] = client and (client, 0)
        headers = dict(scope["headers"])
        exchange = Exchange(
            service=self._service,
            request_id=_request_id(scope["headers"] if b"x-request-id" in headers else ()),
            method=scope["method"],
            client=client,
            request_headers=headers,
        )
        scope[EXCHANGE] = exchange
        if exchange.trace:
            describe_request(client=client, request_id=exchange.request_id)
        root_path = scope.get("root_path", "")
        # Reset, not cleared: a call within the process runs in the context of its caller.
        token = current_exchange.set(exchange)
        self._requests.active += 1
        error = None
        try:
            await self.app(scope, receive, outgoing(exchange, self._security, send))
        except BaseException as failed:
            error = type(failed).__name__
            raise
        finally:
            current_exchange.reset(token)
            self._requests.active -= 1
            exchange.route = route = _template(scope, root_path)
            seconds = perf_counter() - exchange.started
            if error is None and exchange.failure_logged:
                # Where no status tells: it failed after its response had begun.
                error = OTHER
            self._requests.ended(
                method=exchange.method, route=route, status=exchange.status, error=error, seconds=seconds
            )
            access_line(exchange, seconds)


def exchange_of(frame: FrameType) -> Exchange | None:
    """The request that a frame serves, if it is the frame in which this layer does."""
    # Up to that name, it has not begun to serve one.
    if frame.f_code is not Edge.__call__.__code__ or "root_path" not in frame.f_locals:
        return None
    known = frame.f_locals
    exchange: Exchange = known["exchange"]
    exchange.route = _template(known["scope"], known["root_path"])
    return exchange


def _template(scope: Scope, root_path: str) -> str:
    # Under a mount, the template begins with the path of the mount.
    route = scope.get("route")
    return f"{root_path}{route.path}" if route is not None else "unmatched"


def _request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    for name, value in headers:
        if name == b"x-request-id" and _is_request_id(value):
            return value.decode()
    return _random.getrandbits(128).to_bytes(16).hex()
