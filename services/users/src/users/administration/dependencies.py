"""How the service of administration is built, and who may use it."""

from typing import Annotated

from fastapi import Depends, Query, Request

from core.dependencies import ResourcesDep, Session, page, requires
from core.resources import Resources
from core.tokens import Principal
from core.web.pages import Page
from users.accounts.dependencies import build as build_accounts
from users.administration.schemas import UserQuery
from users.administration.service import Administration
from users.audit.dependencies import build as build_audit
from users.recovery.dependencies import build as build_recovery
from users.sessions.dependencies import build as build_sessions


def build(session: Session, resources: Resources) -> Administration:
    """The administration, in the transaction of `session`."""
    return Administration(
        accounts=build_accounts(session, resources),
        sessions=build_sessions(session, resources),
        recovery=build_recovery(session, resources),
        audit=build_audit(session, resources),
    )


async def _administration(session: Session, resources: ResourcesDep) -> Administration:
    return build(session, resources)


UserQueryDep = Annotated[UserQuery, Query()]


async def _page(request: Request, resources: ResourcesDep, query: UserQueryDep) -> Page:
    return page(request, resources, query)


AdministrationDep = Annotated[Administration, Depends(_administration)]
UserPageDep = Annotated[Page, Depends(_page)]
# People by their role, machine clients by what they were made for.
Reader = Annotated[Principal, Depends(requires("users:read"))]
Writer = Annotated[Principal, Depends(requires("users:write"))]
