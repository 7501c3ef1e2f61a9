"""How the service of changes of an address is built: for a request or an event."""

from typing import Annotated

from fastapi import Depends

from core.dependencies import ResourcesDep, Session
from core.resources import Resources
from users.accounts.dependencies import build as build_accounts
from users.audit.dependencies import build as build_audit
from users.email_changes.repository import EmailChangeRepository
from users.email_changes.service import EmailChanges
from users.one_time_tokens.dependencies import build as build_one_time_tokens
from users.sessions.dependencies import build as build_sessions
from users.settings import Settings
from users.throttling.dependencies import build as build_throttle


def build(session: Session, resources: Resources) -> EmailChanges:
    """The changes of addresses, in the transaction of `session`."""
    return EmailChanges(
        repository=EmailChangeRepository(session),
        accounts=build_accounts(session, resources),
        sessions=build_sessions(session, resources),
        one_time_tokens=build_one_time_tokens(session, resources),
        throttle=build_throttle(session, resources),
        audit=build_audit(session, resources),
        events=resources.events(session),
        clock=resources.clock,
        settings=resources.settings_as(Settings).one_time_tokens,
    )


async def _email_changes(session: Session, resources: ResourcesDep) -> EmailChanges:
    return build(session, resources)


EmailChangesDep = Annotated[EmailChanges, Depends(_email_changes)]
