"""Who calls, as the access token says, and what the token allows."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.routing import BaseRoute

from core.dependencies.resources import ResourcesDep
from core.errors import InsufficientScope, InvalidToken, Unauthenticated
from core.routing import identifies_the_caller
from core.tokens import Principal
from core.web.openapi import documented, documented_by

_bearer = HTTPBearer(auto_error=False, bearerFormat="JWT", scheme_name="access_token")


@identifies_the_caller
@documented(Unauthenticated)
async def _caller(
    request: Request,
    resources: ResourcesDep,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Principal:
    if credentials is None:
        raise Unauthenticated
    if len(request.headers.getlist("authorization")) > 1:
        # Whoever stands before us may have read the other one (RFC 9110, section 5.3: a list it is not).
        raise InvalidToken("The request has two Authorization headers.")
    principal = await resources.verifier.verify(credentials.credentials)
    if await resources.revocations.is_revoked(principal):
        raise InvalidToken("The access token was revoked.")
    return principal


Caller = Annotated[Principal, Depends(_caller)]


def requires(scope: str) -> Callable[[Principal], Awaitable[Principal]]:
    """A dependency on a caller whose token has `scope`: `Annotated[Principal, Depends(requires("catalog:write"))]`."""

    @documented(InsufficientScope, scopes=[scope])
    async def caller_with_scope(caller: Caller) -> Principal:
        if scope not in caller.scopes:
            raise InsufficientScope(scope=scope)
        return caller

    return caller_with_scope


def scopes_of(routes: Iterable[BaseRoute]) -> set[str]:
    """Every scope that an operation of these routes asks for."""
    operations = (route.dependant for route in routes if isinstance(route, APIRoute))
    return {scope for dependant in operations for scope in documented_by(dependant).scopes}
