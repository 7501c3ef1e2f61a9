"""Why an app's routes are not found by the index: said at the start, because such an app is slow and not wrong."""

import asyncio
from collections.abc import Sequence

import structlog
from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message

from core.routing.index import ANY_REQUEST, Candidates, RouteIndex

log = structlog.get_logger("core.routing")


async def warn_if_inactive(app: FastAPI) -> None:
    """One line in the log if requests of the app do not pass the index, or pass it in vain."""
    reason = await inactive(app)
    if reason is not None:
        log.warning("route index inactive", reason=reason)


async def inactive(app: FastAPI) -> str | None:
    """Why the index does not spare the app's requests the search through all routes; None where it does."""
    try:
        index, stack = RouteIndex(app.router), app.router.middleware_stack
    except Exception as moved:  # noqa: BLE001 - as in `install`: whatever an upgrade breaks
        return f"this FastAPI has moved what it reads ({type(moved).__name__}: {moved})"
    return _in_app(index, stack) or await _in_fastapi()


def _in_app(index: RouteIndex, stack: ASGIApp) -> str | None:
    """What of the app itself keeps the index from its work."""
    if not isinstance(stack, RouteIndex):
        return "something else stands before the router"
    if index.steps_aside:
        return "the app redirects slashes"
    if index.unread:
        return f"it cannot read {len(index.unread)} routes, which are tried on every path: {_kinds(index.unread)}"
    return None


async def _in_fastapi() -> str | None:
    """What FastAPI no longer does, tried on routers that are nobody's."""
    if not await _router_calls_its_stack():
        return "a router no longer calls what stands in its middleware_stack"
    if not await _copy_is_narrowed():
        return "a copy of a router no longer searches its own routes alone"
    return None


def _kinds(routes: Sequence[BaseRoute]) -> str:
    return ", ".join(sorted({type(route).__name__ for route in routes}))


async def _router_calls_its_stack() -> bool:
    noted = _Noted()
    router = APIRouter()
    router.middleware_stack = noted
    await _ask(router)
    return noted.called


async def _copy_is_narrowed() -> bool:
    noted = _Noted()
    router = APIRouter()
    router.mount("/", noted)
    await _ask(Candidates(router, [], frozenset()).app)
    return not noted.called


class _Noted:
    """An application that is only asked whether it was called."""

    def __init__(self) -> None:
        self.called = False

    async def __call__(self, *_request: object) -> None:
        self.called = True


async def _ask(app: ASGIApp) -> None:
    """One request, whose answer nobody reads."""
    messages: asyncio.Queue[Message] = asyncio.Queue()
    await app(dict(ANY_REQUEST), messages.get, messages.put)
