"""How large the body of a request may be: as large as its route says, or as the service does."""

from collections.abc import Callable, Sequence

from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from core.marks import Function, Mark

KIB = 1024
MIB = 1024 * KIB
_OWN_MAX: Mark[int] = Mark("body_max_bytes")


def body_max(size_bytes: int) -> Callable[[Function], Function]:
    """Marks a handler, below its route decorator: its body may be larger, or must be smaller, than the service's.

    Raises:
        ValueError: nothing would be accepted.
    """
    if size_bytes < 1:
        raise ValueError(f"a body of at most {size_bytes} bytes is none")
    return _OWN_MAX.put(size_bytes)


def own_body_max(route: BaseRoute) -> int | None:
    """The bytes that the route's handler was marked with; None where the service's limit holds."""
    return _OWN_MAX.of(getattr(route, "endpoint", None))


class BodyLimits:
    """The limits of one application, read off its routes once: only those with one of their own are looked at."""

    def __init__(self, routes: Sequence[BaseRoute], *, default_bytes: int) -> None:
        self._routes = tuple(routes)
        self._marked = tuple(route for route in routes if own_body_max(route) is not None)
        self._default_bytes = default_bytes

    def of(self, scope: Scope) -> int:
        """How many bytes the body of this request may have."""
        if not any(_takes(route, scope) for route in self._marked):
            return self._default_bytes
        # The first that takes it serves it, and that may be one that stands before the marked one.
        serves = next(route for route in self._routes if _takes(route, scope))
        return own_body_max(serves) or self._default_bytes


def _takes(route: BaseRoute, scope: Scope) -> bool:
    return route.matches(scope)[0] is Match.FULL
