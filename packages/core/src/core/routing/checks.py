"""What a route table must hold before the first request; an app that breaks a rule does not start."""

import inspect
import re
from collections.abc import Collection, Iterator, Sequence
from types import UnionType
from typing import Any, Union, get_args, get_origin

from fastapi import FastAPI
from fastapi.dependencies.utils import get_typed_return_annotation
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from starlette.convertors import FloatConvertor, IntegerConvertor, PathConvertor, StringConvertor, UUIDConvertor
from starlette.responses import Response
from starlette.routing import Match, WebSocketRoute
from starlette.types import Scope

from core.routing.access import access_problems
from core.routing.deprecation import DeprecatedRoute
from core.routing.providers import provider_problems

# A text that only the same or a wider parameter matches stands for all that a parameter matches.
_SAMPLES: dict[type, str] = {
    StringConvertor: "·any·",
    IntegerConvertor: "80609281237",
    FloatConvertor: "80609281237.5",
    UUIDConvertor: "80609281-2370-4000-8000-000000000000",
    PathConvertor: "/".join(["·any·"] * 9),
}


class RoutingError(Exception):
    """The route table breaks rules: one line each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


def check(app: FastAPI, *, elsewhere: Collection[str | None] = ()) -> None:
    """Refuse an app whose routes break a rule; apps mounted in it are not entered.

    `elsewhere` are paths that other deployments of the service serve, and a deprecated operation may lead to.

    Raises:
        RoutingError: two operations have one operationId, an earlier route hides a later one, a route states no
            response model, an endpoint or a dependency is not async or has the wrong scope, a parameter is not what its
            annotation meant, an operation does not say who may call it, or a deprecation lacks its date, its order or
            its successor.
    """
    routes = list(iter_route_contexts(app.routes))
    problems = [problem for rule in _RULES for problem in rule(routes)]
    problems += _idle_deprecations(routes, elsewhere)
    if problems:
        raise RoutingError(list(dict.fromkeys(problems)))


def _repeated_operation_ids(routes: Sequence[RouteContext]) -> Iterator[str]:
    owners: dict[str, str] = {}
    for route in routes:
        if not isinstance(route.original_route, APIRoute) or not route.include_in_schema:
            continue
        for method in sorted(route.methods or ()):
            operation = f"{method} {route.path}"
            owner = owners.setdefault(route.unique_id, operation)
            if owner != operation:
                yield f"{operation} and {owner} have the same operationId {route.unique_id}"


def _hidden_routes(routes: Sequence[RouteContext]) -> Iterator[str]:
    for position, route in enumerate(routes):
        for scope in _sample_requests(route):
            for earlier in routes[:position]:
                if earlier.matches(scope)[0] is Match.FULL:
                    yield f"{scope['method']} {route.path} is never reached: {earlier.path} stands before it"
                    break


def _sample_requests(route: RouteContext) -> Iterator[Scope]:
    """One request for each method of the route, by which only a route that takes all of its requests is matched."""
    convertors = getattr(route, "param_convertors", {})
    samples = {name: _SAMPLES.get(type(convertor)) for name, convertor in convertors.items()}
    if route.path_format is None or None in samples.values():
        return  # hosts, and convertors of which we have no sample
    path = re.sub(r"\{(\w+)\}", lambda found: str(samples[found[1]]), route.path_format)
    request = {"path": path, "root_path": "", "headers": []}
    if isinstance(route.original_route, WebSocketRoute):
        yield request | {"type": "websocket", "method": "WEBSOCKET"}
    for method in sorted(route.methods or ()):
        yield request | {"type": "http", "method": method}


def _missing_response_models(routes: Sequence[RouteContext]) -> Iterator[str]:
    for route in routes:
        if isinstance(route.original_route, APIRoute) and not _states_its_response(route):
            yield f"{'|'.join(sorted(route.methods or ()))} {route.path} states no response model"


def _states_its_response(route: RouteContext) -> bool:
    endpoint = route.endpoint
    return (
        route.response_field is not None
        or route.stream_item_field is not None
        or route.status_code == 204
        # Bytes or server-sent events: there is nothing to serialise by a model.
        or (inspect.isasyncgenfunction(endpoint) and not route.is_json_stream)
        or _returns_a_response(endpoint)
    )


def _returns_a_response(endpoint: Any) -> bool:
    annotation = get_typed_return_annotation(endpoint)
    kinds = get_args(annotation) if get_origin(annotation) in {Union, UnionType} else (annotation,)
    return all(inspect.isclass(kind) and issubclass(kind, Response) for kind in kinds)


def _misused_providers(routes: Sequence[RouteContext]) -> Iterator[str]:
    for route in routes:
        if (dependant := getattr(route, "dependant", None)) is not None:
            yield from provider_problems(dependant)


def _idle_deprecations(routes: Sequence[RouteContext], elsewhere: Collection[str | None]) -> Iterator[str]:
    paths = {route.path for route in routes} | set(elsewhere)
    for route in routes:
        operation = f"{'|'.join(sorted(route.methods or ()))} {route.path}"
        if not isinstance(route.original_route, DeprecatedRoute):
            if getattr(route, "deprecated", None):
                yield f"{operation} is deprecated and does not say since when: use core.routing's Deprecation"
            continue
        deprecation = route.original_route.deprecation
        if deprecation.sunset is not None and deprecation.sunset < deprecation.since:
            yield f"{operation} goes on {deprecation.sunset}, before it is deprecated on {deprecation.since}"
        if deprecation.successor is not None and deprecation.successor not in paths:
            yield f"{operation} is succeeded by {deprecation.successor}, which is no route"


_RULES = (_repeated_operation_ids, _hidden_routes, _missing_response_models, _misused_providers, access_problems)
