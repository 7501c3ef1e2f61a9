"""The outermost layer: gives a request its id and its exchange, and writes its access line."""

import re
import secrets
from collections.abc import Sequence
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.middleware.client_address import Network, client_address
from core.telemetry.exchange import EXCHANGE, Exchange, current_exchange
from core.telemetry.logs import access_line

_is_request_id = re.compile(rb"[A-Za-z0-9._-]{1,128}").fullmatch


class Edge:
    """Puts `X-Request-ID` on every response, and one line a request into the log.

    Status 0 in that line: the request ended before a response began, because the process was told to stop.
    """

    def __init__(self, app: ASGIApp, *, service: str, trusted_proxies: Sequence[Network] = ()) -> None:
        self.app = app
        self._service = service
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
        request_id = _request_id(scope["headers"])
        exchange = Exchange(
            service=self._service,
            request_id=request_id.decode(),
            method=scope["method"],
            client=client,
        )
        scope[EXCHANGE] = exchange
        root_path = scope.get("root_path", "")

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                duration_ms = (perf_counter() - exchange.started) * 1000
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"x-request-id", request_id),
                    (b"server-timing", b"app;dur=%.1f" % duration_ms),
                ]
            else:
                exchange.bytes_sent += len(message.get("body", b""))
            await send(message)

        # Reset, not cleared: a call within the process runs in the context of its caller.
        token = current_exchange.set(exchange)
        try:
            await self.app(scope, receive, tell)
        finally:
            current_exchange.reset(token)
            route = scope.get("route")
            # Under a mount, the template begins with the path of the mount.
            exchange.route = f"{root_path}{route.path}" if route is not None else "unmatched"
            access_line(exchange, perf_counter() - exchange.started)


def _request_id(headers: list[tuple[bytes, bytes]]) -> bytes:
    for name, value in headers:
        if name == b"x-request-id" and _is_request_id(value):
            return value
    return secrets.token_hex(16).encode()
