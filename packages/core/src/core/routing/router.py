"""A domain's routes: declared at import, built once, and shared by every app that registers them."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import partial
from typing import Any, cast

from fastapi import APIRouter, FastAPI
from fastapi.params import Depends
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from core.routing.access import ask_for_the_caller_first
from core.routing.deprecation import OWN_DEPRECATION, DeprecatedRoute, Deprecation
from core.routing.media_types import TypedRoute
from core.routing.serving import ServingOverrides


def operation_id(route: APIRoute) -> str:
    """`<tag>_<handler name>`, by which generated clients name their methods."""
    tags = [tag.value if isinstance(tag, Enum) else tag for tag in route.tags[:1]]
    return "_".join([*tags, route.name])


class Router(APIRouter):
    """The routes of one domain and one version: `Router(prefix="/v1/invoices", tags=["invoices"])`.

    The prefix is whole and routers are not nested. An app takes the routes with `register`: FastAPI's
    `include_router` builds every route a second time and scans it more slowly.

    Operations are built when the routes are first asked for: to build one takes FastAPI 2 ms, and most commands serve
    none.
    """

    def __init__(
        self,
        *,
        prefix: str = "",
        tags: Sequence[str] = (),
        dependencies: Sequence[Depends] = (),
        responses: Mapping[int | str, dict[str, Any]] | None = None,
        deprecation: Deprecation | None = None,
        include_in_schema: bool = True,
        route_class: type[APIRoute] = TypedRoute,
    ) -> None:
        self._declared: deque[Callable[[], None]] = deque()
        super().__init__(
            prefix=prefix,
            tags=list(tags),
            dependencies=dependencies,
            responses=dict(responses or {}),
            include_in_schema=include_in_schema,
            route_class=route_class,
            generate_unique_id_function=operation_id,
            dependency_overrides_provider=ServingOverrides(),
        )
        self.deprecation = deprecation

    @property
    def routes(self) -> list[BaseRoute]:
        """Every route, in the order of its declaration."""
        # FastAPI asks, too, for the list that it adds the one to that it has just built.
        declared, self._declared = self._declared, deque()
        try:
            while declared:
                declared[0]()
                declared.popleft()
        finally:
            # One that cannot be built is not forgotten: it must fail for the next app as well.
            self._declared = declared
        return self._routes

    @routes.setter
    def routes(self, routes: list[BaseRoute]) -> None:
        self._routes = routes

    def add_api_route(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        """Adds one operation, as FastAPI's `get`, `post` and the others do; it may be deprecated by itself."""
        self._declared.append(partial(self._build, path, endpoint, **options))

    def _build(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        deprecation = OWN_DEPRECATION.of(endpoint) or (self.deprecation and self.deprecation.of(path))
        if deprecation is not None:
            options["route_class_override"] = partial(DeprecatedRoute, deprecation=deprecation)
        super().add_api_route(path, endpoint, **options)
        ask_for_the_caller_first(cast("APIRoute", self._routes[-1]).dependant)


def register(app: FastAPI, router: Router) -> None:
    """Put the router's routes, the objects themselves, at the end of the app's table.

    A route that is added to the router afterwards is not seen.
    """
    app.router.routes.extend(router.routes)
    # FastAPI keeps the document it once made, and does not see routes come this way.
    app.openapi_schema = None
