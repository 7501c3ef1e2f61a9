"""Who may call each operation of the service: nobody without a valid token, and nobody without the scope."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from core.dependencies.identity import scopes_of
from core.ids import TypeId
from core.routing import is_public
from core.testing.conformance.grounds import Conforming
from core.testing.conformance.places import Place
from core.testing.forgeries import INVALID_CHALLENGE, PLAIN_CHALLENGE, Headers, forgeries, without_a_token
from core.testing.problems import problem

# Nothing, and what a caller who has a token would be told something about.
_REQUESTS: tuple[dict[str, Any], ...] = (
    {},
    {"params": {"limit": "0"}, "json": {"unknown": 1}},
    {"params": {"cursor": "none"}},
)


@dataclass(frozen=True, slots=True)
class Operation:
    """One way to call the service, its path well-formed."""

    method: str
    path: str
    scopes: frozenset[str]

    async def refusal(self, place: Place, headers: Headers, **request: Any) -> tuple[object, ...]:
        """Status, code and challenge; of what is no refusal, its status alone."""
        response = await place.client.request(self.method, self.path, headers=headers, **request)
        if response.status_code < 400:
            return (response.status_code,)
        status, code = problem(response)
        return (int(status), code, response.headers.get("www-authenticate"))


class Access:
    async def test_whoever_has_no_valid_token_is_refused_whatever_else_is_wrong(
        self, place: Place, conforming: Conforming
    ) -> None:
        assert await let_in(place, conforming) == []

    async def test_a_token_without_the_scope_is_refused_whatever_else_is_wrong(
        self, place: Place, conforming: Conforming
    ) -> None:
        assert await let_in_without_the_scope(place, conforming) == []

    async def test_the_document_asks_for_a_token_where_the_code_does(self, place: Place) -> None:
        document = (await place.client.get("/openapi.json")).json()
        for route in routes_of(place):
            for method in (route.methods or ()) if route.include_in_schema else ():
                schemes = document["paths"][route.path_format][method.lower()]["security"]
                # One that anybody may call may have a way of its own to learn who does.
                asks = any("access_token" in scheme for scheme in schemes)
                assert asks != is_public(route.endpoint), f"{method} {route.path}"


async def let_in(place: Place, conforming: Conforming) -> list[str]:
    """Each way past an operation, or to learn something of it, without a valid token."""
    shown = forgeries(conforming.key, audience=conforming.settings.tokens.audience)
    return [
        f"{operation.method} {operation.path}, {name}: {told}"
        for operation in operations_of(place)
        for challenge, each in ((PLAIN_CHALLENGE, without_a_token()), (INVALID_CHALLENGE, shown))
        for name, headers in each.items()
        for request in _REQUESTS
        if (told := await operation.refusal(place, headers, **request)) != (401, "unauthenticated", challenge)
    ]


async def let_in_without_the_scope(place: Place, conforming: Conforming) -> list[str]:
    """The same with a token that has every scope but one that the operation asks for."""
    every = scopes_of(place.app.routes)
    return [
        f"{operation.method} {operation.path}, without {scope}: {told}"
        for operation in operations_of(place)
        for scope in operation.scopes
        for request in _REQUESTS
        if (told := await operation.refusal(place, _bearer(conforming.mint(*every - {scope})), **request))
        != (403, "insufficient_scope", f'Bearer error="insufficient_scope", scope="{scope}"')
    ]


def _bearer(token: str) -> Headers:
    return [("Authorization", f"Bearer {token}")]


def operations_of(place: Place) -> Iterator[Operation]:
    """The operations that only callers may call."""
    for route in routes_of(place):
        for method in () if is_public(route.endpoint) else sorted(route.methods or ()):
            yield Operation(method, path_of(route), frozenset(scopes_of([route])))


def routes_of(place: Place) -> list[APIRoute]:
    """The routes of the service, and those of the suite."""
    return [route for route in place.app.router.routes if isinstance(route, APIRoute)]


def path_of(route: APIRoute) -> str:
    """The path with an id of the right kind wherever it has one."""
    ids = dict(_ids(route.dependant))
    return re.sub(r"{(\w+)}", lambda found: ids.get(found[1], "1"), route.path_format)


def _ids(dependant: Dependant) -> Iterator[tuple[str, str]]:
    for field in dependant.path_params:
        yield from ((field.name, each.example) for each in field.field_info.metadata if isinstance(each, TypeId))
    for each in dependant.dependencies:
        yield from _ids(each)
