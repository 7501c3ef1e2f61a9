"""The clients of one service: opened once, bounded in time, and carrying the id of the request they serve."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import MappingProxyType
from typing import Any, Protocol

import httpx
from opentelemetry.trace import Tracer

from core.client.retrying import Retrying
from core.tracing import NO_TRACER

CONNECTIONS_MAX = 100
# Well below what a server keeps (75 s in core.server): it must not be the one that closes a connection we just chose.
KEEP_ALIVE_S = 30
NO_TRANSPORTS: Mapping[str, httpx.AsyncBaseTransport] = MappingProxyType({})


class Upstream(Protocol):
    """Where a sibling answers and how long we wait for it; `ClientSettings` is one."""

    @property
    def url(self) -> str: ...
    @property
    def timeout_s(self) -> float: ...
    @property
    def attempt_timeout_s(self) -> float: ...
    @property
    def retries_max(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Clients:
    """The open clients, by the name of the service that each calls."""

    by_name: Mapping[str, httpx.AsyncClient]

    def client(self, name: str) -> httpx.AsyncClient:
        """The client of that service; its URLs are relative to the service's own.

        Raises:
            LookupError: no such client is configured.
        """
        if name not in self.by_name:
            known = ", ".join(sorted(self.by_name)) or "none"
            raise LookupError(f"no client named {name} is configured; there are: {known}")
        return self.by_name[name]


@asynccontextmanager
async def open_clients(
    upstreams: Mapping[str, Upstream],
    transports: Mapping[str, httpx.AsyncBaseTransport] = NO_TRANSPORTS,
    *,
    request_id: Callable[[], str | None],
    tracer: Tracer = NO_TRACER,
) -> AsyncGenerator[Clients]:
    """One client a configured sibling; connects at its first call, and closes when the block ends.

    A transport under the sibling's name replaces the network and stays its owner's to close. `request_id` is asked at
    each call.
    """
    needs_network = not upstreams.keys() <= transports.keys()
    # Reading the system's authorities takes some 20 ms, and the loop has other things to do.
    tls = await asyncio.to_thread(httpx.create_ssl_context) if needs_network else None
    async with AsyncExitStack() as stack:
        by_name = {}
        for name, upstream in upstreams.items():
            client = _Client(upstream, transports.get(name), tls=tls, request_id=request_id, tracer=tracer)
            by_name[name] = await stack.enter_async_context(client)
        yield Clients(MappingProxyType(by_name))


class _Client(httpx.AsyncClient):
    """An httpx client that bounds the whole of a call and says which request it belongs to."""

    def __init__(
        self,
        upstream: Upstream,
        transport: httpx.AsyncBaseTransport | None,
        *,
        tls: ssl.SSLContext | None,
        request_id: Callable[[], str | None],
        tracer: Tracer,
    ) -> None:
        super().__init__(
            base_url=upstream.url,
            transport=Retrying(
                transport or _network(tls),
                timeout_s=upstream.timeout_s,
                attempt_timeout_s=upstream.attempt_timeout_s,
                retries_max=upstream.retries_max,
                closes=transport is None,
                tracer=tracer,
            ),
            timeout=upstream.attempt_timeout_s,
            # All callers share this client: what one is given must not be sent for another.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )
        self._timeout_s = upstream.timeout_s
        self._request_id = request_id

    async def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """Sends the request within the time of a call, and reads the answer within it unless it is streamed.

        Raises:
            httpx.TransportError: the sibling was not reached or did not answer in time, retries included.
        """
        request_id = self._request_id()
        if request_id is not None:
            request.headers.setdefault("X-Request-ID", request_id)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await super().send(request, **options)
        except TimeoutError as late:
            raise httpx.ReadTimeout("the call took too long", request=request) from late


def _network(tls: ssl.SSLContext | None) -> httpx.AsyncBaseTransport:
    """Connections of our own: httpx's default would also go through the proxies that the environment names."""
    limits = httpx.Limits(
        max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX, keepalive_expiry=KEEP_ALIVE_S
    )
    return httpx.AsyncHTTPTransport(verify=tls or True, limits=limits)
