"""Limits how often one client, or one caller, may use an operation."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Literal

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from core.dependencies.identity import Caller
from core.dependencies.resources import ResourcesDep
from core.errors import RateLimited
from core.marks import Mark
from core.rate_limits import address_key, rate
from core.resources import Resources
from core.settings import ServiceSettings
from core.telemetry.exchange import EXCHANGE
from core.web.openapi import documented

# How the settings of a service say a limit; None where they switch it off.
Chosen = Callable[[Any], str | None]
_CHOSEN: Mark[Chosen] = Mark("limit_of_the_settings")


def limited(limit: str | Chosen, *, by: Literal["client", "caller"] = "client") -> Callable[..., Awaitable[None]]:
    """A dependency that refuses with 429 what is beyond `limit`: `dependencies=[Depends(limited("10/minute"))]`.

    Each operation is counted apart, on a route as on a router: by the address of the client (IPv6: by its /64), or by
    the subject of the access token. FastAPI has read the body by then. A limit that operators choose is looked up in
    the settings of the service: `limited(lambda settings: settings.limits.sign_in)`, a field of type `Limit`.

    Raises:
        ValueError: `limit` is no rate.
    """
    chosen = _constant(limit) if isinstance(limit, str) else limit
    marked = documented(RateLimited, headers=["RateLimit", "RateLimit-Policy"])

    @marked
    @_CHOSEN.put(chosen)
    async def by_client(request: Request, resources: ResourcesDep) -> None:
        await _count(request, resources, by, address_key(request.scope[EXCHANGE].client), chosen)

    @marked
    @_CHOSEN.put(chosen)
    async def by_caller(request: Request, resources: ResourcesDep, caller: Caller) -> None:
        await _count(request, resources, by, caller.subject, chosen)

    return by_client if by == "client" else by_caller


def check_limits(routes: Iterable[BaseRoute], settings: ServiceSettings) -> None:
    """Looks up every limit of these routes once: what the settings do not have must stop the boot.

    Raises:
        AttributeError: there is no such setting.
        ValueError: it is no rate.
    """
    for route in routes:
        if isinstance(route, APIRoute):
            _check(route.dependant, settings)


def _check(dependant: Dependant, settings: ServiceSettings) -> None:
    chosen = _CHOSEN.of(dependant.call)
    said = chosen(settings) if chosen else None
    if said is not None:
        rate(said)
    for each in dependant.dependencies:
        _check(each, settings)


def _constant(limit: str) -> Chosen:
    rate(limit)
    return lambda _settings: limit


async def _count(request: Request, resources: Resources, by: str, key: str, chosen: Chosen) -> None:
    said = chosen(resources.settings)
    if said is None:
        return
    standing = await resources.rate_limits.count(f"{request.scope['route'].unique_id}/{by}", key, rate(said))
    if standing is not None:
        standing.tell(request.scope[EXCHANGE])
        standing.enforce()
