"""Limits how often one client, or one caller, may use an operation."""

from collections.abc import Awaitable, Callable
from typing import Literal

from fastapi import Request
from limits import RateLimitItem

from core.dependencies.identity import Caller
from core.dependencies.resources import ResourcesDep
from core.errors import RateLimited
from core.rate_limits import address_key, rate
from core.resources import Resources
from core.telemetry.exchange import EXCHANGE
from core.web.openapi import documented


def limited(limit: str, *, by: Literal["client", "caller"] = "client") -> Callable[..., Awaitable[None]]:
    """A dependency that refuses with 429 what is beyond `limit`: `dependencies=[Depends(limited("10/minute"))]`.

    Each operation is counted apart, on a route as on a router: by the address of the client (IPv6: by its /64), or by
    the subject of the access token. FastAPI has read the body by then.

    Raises:
        ValueError: `limit` is no rate.
    """
    allowed = rate(limit)
    marked = documented(RateLimited, headers=["RateLimit", "RateLimit-Policy"])

    @marked
    async def by_client(request: Request, resources: ResourcesDep) -> None:
        await _count(request, resources, by, address_key(request.scope[EXCHANGE].client), allowed)

    @marked
    async def by_caller(request: Request, resources: ResourcesDep, caller: Caller) -> None:
        await _count(request, resources, by, caller.subject, allowed)

    return by_client if by == "client" else by_caller


async def _count(request: Request, resources: Resources, by: str, key: str, allowed: RateLimitItem) -> None:
    standing = await resources.rate_limits.count(f"{request.scope['route'].unique_id}/{by}", key, allowed)
    if standing is not None:
        standing.tell(request.scope[EXCHANGE])
        standing.enforce()
