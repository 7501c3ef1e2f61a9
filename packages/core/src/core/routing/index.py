"""An index of path segments in front of FastAPI's own router: a request costs the same however many routes there are.

It only narrows the list that FastAPI scans. FastAPI still matches, answers 404, enters mounts and tells its telemetry,
and a route that the index does not understand is a candidate for every path: where an upgrade moves an attribute,
routing is slow, not wrong, and core.routing.inactive says so at the start. On the way it serves HEAD wherever there is
a GET, and completes the Allow of a 405.
"""

import copy
import re
from collections.abc import Sequence
from contextlib import suppress

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute, APIWebSocketRoute, iter_route_contexts
from starlette.convertors import FloatConvertor, IntegerConvertor, StringConvertor, UUIDConvertor
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match, Mount, Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# A route class with a `matches` of its own (Host, an included router, a custom route) decides for itself, on any path.
_UNDERSTOOD = (Route, WebSocketRoute, Mount, APIRoute, APIWebSocketRoute)
# These never match a slash; `path` and custom convertors may.
_ONE_SEGMENT = {StringConvertor, IntegerConvertor, FloatConvertor, UUIDConvertor}
ANY_REQUEST = {"type": "http", "method": "GET", "path": "/", "root_path": "", "query_string": b"", "headers": []}
_PARAMETER = re.compile(r"\{([a-zA-Z_]\w*)(?::\w+)?\}")


def install(app: FastAPI) -> None:
    """Put the index before the app's router, unless something stands there already (the app's `max_body_size`).

    An app of another FastAPI, in which something that the index needs has moved, goes without: see `inactive`.
    """
    # What an upgrade breaks is unknown; whatever it is, FastAPI's own search is right.
    with suppress(Exception):
        if app.router.middleware_stack == app.router.app:
            app.router.middleware_stack = RouteIndex(app.router)


def installed(app: FastAPI) -> bool:
    """Whether requests of the app go through the index."""
    return isinstance(getattr(app.router, "middleware_stack", None), RouteIndex)


class RouteIndex:
    """What Starlette calls as the router's middleware stack. It steps aside while the app redirects slashes.

    Making one fails, however that shows, where a router is not what the index takes it for.
    """

    def __init__(self, router: APIRouter) -> None:
        self._router = router
        self._build()
        # All that a request will touch: what has moved is met here, and not by a request.
        _ = self.steps_aside, self.find("/"), self._everything.allowed(dict(ANY_REQUEST))

    @property
    def steps_aside(self) -> bool:
        """Whether FastAPI searches alone: it must try every route on a second path."""
        return self._router.redirect_slashes

    @property
    def unread(self) -> list[BaseRoute]:
        """The routes that decide for themselves: each is tried on every path."""
        return [self._routes[position] for position in self._tree.unread]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        router = self._router
        if scope["type"] == "lifespan" or router.redirect_slashes:
            await router.app(scope, receive, send)
            return
        scope.setdefault("router", router)
        found = self.find(_route_path(scope) if scope.get("root_path") else scope["path"])
        if scope["type"] == "http" and scope["method"] not in found.methods:
            await found.answer_method(scope, receive, send)
        else:
            await found.app(scope, receive, send)

    def find(self, path: str) -> "Candidates":
        """The few routes that can match the path."""
        # Identical routes compare in under a nanosecond each: cheaper than being told of every change.
        if self._routes != self._router.routes:
            self._build()
        if path.endswith("\n"):
            return self._everything  # the `$` of a route's expression matches before a last newline as well
        positions = self._tree.positions(path)
        try:
            return self._found[positions]
        except KeyError:
            routes = [self._routes[position] for position in sorted(positions)]
            found = self._found[positions] = Candidates(self._router, routes, self._tree.methods(positions))
            return found

    def _build(self) -> None:
        self._routes = list(self._router.routes)
        self._tree = _Tree(self._routes)
        self._everything = Candidates(self._router, self._routes, frozenset())
        # One entry a combination of routes, of which the table has few: not one a path.
        self._found: dict[tuple[int, ...], Candidates] = {}


class Candidates:
    """FastAPI's router over the routes that paths of one shape can match."""

    def __init__(self, router: APIRouter, routes: list[BaseRoute], methods: frozenset[str]) -> None:
        narrowed = copy.copy(router)
        narrowed.routes = routes
        self.routes = routes
        self.app = narrowed.app
        # Those that some route takes, whatever the parameters: for others the routes have to be asked.
        self.methods = methods

    async def answer_method(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer where the method may be one that no route of this path takes."""
        allowed = self.allowed(scope)
        if scope["method"] == "HEAD" and "GET" in allowed:
            await _head(self.app, scope, receive, send)
            return
        try:
            await self.app(scope, receive, send)
        except HTTPException as refused:
            if allowed:
                # FastAPI names the methods of the first route alone; RFC 9110, section 15.5.6 asks for the resource's.
                refused.headers = {"Allow": ", ".join(sorted(allowed))}
            raise

    def allowed(self, scope: Scope) -> set[str]:
        """The methods of the path; none where a route takes the request as it is, or where no route knows the path."""
        allowed: set[str] = set()
        for route in iter_route_contexts(self.routes):
            (match, _), methods = route.matches(scope), route.methods
            if match is Match.FULL:
                if methods is None and scope["method"] == "HEAD" and "GET" in allowed:
                    continue  # a mount that would take HEAD from the route that takes GET
                return set()
            if match is Match.PARTIAL:
                allowed |= methods or set()
        return allowed | {"HEAD"} if "GET" in allowed else allowed


class _Segment:
    """A place in the tree, with the positions in the table of the routes that end here or match all that is below."""

    __slots__ = ("below", "here", "literals", "parameter")

    def __init__(self) -> None:
        self.literals: dict[str, _Segment] = {}
        self.parameter: _Segment | None = None
        self.here: list[int] = []
        self.below: list[int] = []


class _Tree:
    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        self._root = _Segment()
        self.unread: list[int] = []
        self._understood = {kind.matches for kind in _UNDERSTOOD}
        self._methods: list[frozenset[str]] = [self._add(position, route) for position, route in enumerate(routes)]

    def positions(self, path: str) -> tuple[int, ...]:
        """Every route that can match the path, and perhaps one that does not."""
        found = self._root.below.copy()
        level = [self._root]
        for part in path.split("/")[1:]:
            following: list[_Segment] = []
            for segment in level:
                if (literal := segment.literals.get(part)) is not None:
                    following.append(literal)
                    found += literal.below
                if part and (parameter := segment.parameter) is not None:
                    following.append(parameter)
                    found += parameter.below
            level = following
        for segment in level:
            found += segment.here
        return tuple(found)

    def methods(self, positions: tuple[int, ...]) -> frozenset[str]:
        """The methods that one of these routes is certain to take."""
        return frozenset().union(*(self._methods[position] for position in positions))

    def _add(self, position: int, route: BaseRoute) -> frozenset[str]:
        """Put a route in its place; the methods it takes on every path that leads there."""
        path: str | None = getattr(route, "path", None)
        convertors = getattr(route, "param_convertors", None)
        if path is None or convertors is None or type(route).matches not in self._understood:
            self.unread.append(position)
            self._root.below.append(position)
            return frozenset()
        place = self._root
        for part in path.split("/")[1:]:
            if "{" not in part:
                place = place.literals.setdefault(part, _Segment())
                continue
            whole = _PARAMETER.fullmatch(part)
            if whole is None or type(convertors.get(whole[1])) not in _ONE_SEGMENT:
                place.below.append(position)  # `{a}.{b}`, `{rest:path}`: from here on the route's expression decides
                return frozenset()
            place.parameter = place.parameter or _Segment()
            place = place.parameter
        if isinstance(route, Mount):
            place.below.append(position)
            return frozenset()
        place.here.append(position)
        takes_any_text = all(type(convertor) is StringConvertor for convertor in convertors.values())
        return frozenset(route.methods or ()) if takes_any_text and isinstance(route, Route) else frozenset()


def _route_path(scope: Scope) -> str:
    """The path below the app's mount: in ASGI `path` is whole, and `root_path` is how it begins."""
    path, root = scope["path"], scope["root_path"]
    below = path.removeprefix(root)
    return below if below[:1] in {"", "/"} else path


async def _head(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Serve GET's status and header fields without its content (RFC 9110, section 9.3.2)."""
    # A copy, because the server reads the method of its own scope to know that no content follows.
    as_get = {**scope, "method": "GET"}

    async def without_content(message: Message) -> None:
        if message["type"] == "http.response.start":
            scope.update(as_get, method="HEAD")
        elif message["type"] == "http.response.body":
            message = {**message, "body": b""}
        elif message["type"] == "http.response.pathsend":
            message = {"type": "http.response.body"}
        await send(message)

    try:
        await app(as_get, receive, without_content)
    finally:
        # The layers outside learn the matched route from their scope.
        scope.update(as_get, method="HEAD")
