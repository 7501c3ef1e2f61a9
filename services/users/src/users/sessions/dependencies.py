"""How the service of sessions is built, and which user is signed in."""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request

from core.dependencies import Caller, ResourcesDep, Session
from core.errors import InsufficientScope
from core.resources import Resources
from users.accounts.dependencies import build as build_accounts
from users.audit.dependencies import build as build_audit
from users.sessions.repository import SessionRepository
from users.sessions.rules import Origin
from users.sessions.service import Sessions
from users.settings import Settings, secret_of
from users.signing.dependencies import build_access_tokens


def build(session: Session, resources: Resources) -> Sessions:
    """The sessions, in the transaction of `session`."""
    return Sessions(
        repository=SessionRepository(session, resources.database.reads),
        accounts=build_accounts(session, resources),
        access_tokens=build_access_tokens(resources),
        audit=build_audit(session, resources),
        events=resources.events(session),
        clock=resources.clock,
        settings=resources.settings_as(Settings).sessions,
        secret=secret_of(resources),
    )


async def _sessions(session: Session, resources: ResourcesDep) -> Sessions:
    return build(session, resources)


SessionsDep = Annotated[Sessions, Depends(_sessions)]


@dataclass(frozen=True, slots=True)
class Me:
    """A user who is signed in, and the session that says so."""

    id: UUID
    session_id: UUID


async def _signed_in(caller: Caller) -> Me:
    if caller.session_id is None:
        raise InsufficientScope("Only a user has an account and sessions.")
    return Me(caller.id, caller.session_id)


SignedIn = Annotated[Me, Depends(_signed_in)]


async def _origin(request: Request) -> Origin:
    address = request.client.host if request.client else None
    return Origin.of(user_agent=request.headers.get("user-agent"), address=address)


OriginDep = Annotated[Origin, Depends(_origin)]
