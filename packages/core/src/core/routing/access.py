"""Who may call an operation: each asks for its caller, or says that anybody may call it."""

from collections.abc import Iterator, Sequence
from typing import Literal

from fastapi.dependencies.models import Dependant
from fastapi.routing import RouteContext

from core.marks import Function, Mark

# Of a handler, who may call it; of a dependency, whom it lets pass.
_ACCESS: Mark[Literal["anybody", "callers"]] = Mark("access")


def public(endpoint: Function) -> Function:
    """Marks a handler, below its route decorator, as one that anybody may call, without an access token."""
    return _ACCESS.put("anybody")(endpoint)


def identifies_the_caller(dependency: Function) -> Function:
    """Marks the dependency that refuses whoever has no valid access token."""
    return _ACCESS.put("callers")(dependency)


def is_public(endpoint: object) -> bool:
    """Whether the handler is marked as one that anybody may call."""
    return _ACCESS.of(endpoint) == "anybody"


def asks_for_the_caller(dependant: Dependant) -> bool:
    """Whether an operation, or a dependency, refuses whoever has no valid access token."""
    return _ACCESS.of(dependant.call) == "callers" or any(map(asks_for_the_caller, dependant.dependencies))


def ask_for_the_caller_first(dependant: Dependant) -> None:
    """Puts what asks for the caller before the other parameters, which could tell anybody what they refuse.

    What a route or its router lists under `dependencies` stays before them, as it stands: a limit counts everybody.
    """
    # What is listed has no name; sorting leaves equals as they stand.
    dependant.dependencies.sort(key=lambda each: each.name is not None and 1 + (not asks_for_the_caller(each)))
    for each in dependant.dependencies:
        ask_for_the_caller_first(each)


def access_problems(routes: Sequence[RouteContext]) -> Iterator[str]:
    """Each operation that says nothing of who may call it, or two things."""
    for route in routes:
        if (dependant := getattr(route, "dependant", None)) is None:
            continue
        operation = f"{'|'.join(sorted(route.methods or ('WEBSOCKET',)))} {route.path}"
        is_for_all, asks = is_public(route.endpoint), asks_for_the_caller(dependant)
        if is_for_all and asks:
            yield f"{operation} is marked @public and asks for its caller: one of the two is a mistake"
        if not is_for_all and not asks:
            yield f"{operation} does not say who may call it: ask for Caller, or a scope, or mark it @public"
