"""Refuses what one client asks for beyond its share of the service, before anything else is done for it."""

from starlette.types import ASGIApp, Receive, Scope, Send

from core.errors import RateLimited
from core.rate_limits import address_key, rate
from core.resources import STATE
from core.telemetry.exchange import EXCHANGE
from core.web.probes import is_probe
from core.web.problems import Problems

NAME = "per_client"


class PerClient:
    """Answers 429 with `Retry-After` (RFC 6585, section 4) before the body is read; probes are always served."""

    def __init__(self, app: ASGIApp, *, problems: Problems, limit: str) -> None:
        self.app = app
        self._problems = problems
        self._rate = rate(limit)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http" or is_probe(scope):
            await self.app(scope, receive, send)
            return
        exchange = scope[EXCHANGE]
        standing = await scope["state"][STATE].rate_limits.count(NAME, address_key(exchange.client), self._rate)
        if standing is not None:
            standing.tell(exchange)
            if not standing.allowed:
                refusal = RateLimited(retry_after_s=standing.more_in_s)
                await self._problems.answer(refusal, scope)(scope, receive, send)
                return
        await self.app(scope, receive, send)
