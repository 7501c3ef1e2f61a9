"""How the service of new passwords is built: for a request or an event."""

from typing import Annotated

from fastapi import Depends

from core.dependencies import ResourcesDep, Session
from core.resources import Resources
from users.accounts.dependencies import build as build_accounts
from users.audit.dependencies import build as build_audit
from users.one_time_tokens.dependencies import build as build_one_time_tokens
from users.passwords.dependencies import build as build_passwords
from users.recovery.repository import RecoveryRepository
from users.recovery.service import Recovery
from users.sessions.dependencies import build as build_sessions
from users.settings import Settings
from users.throttling.dependencies import build as build_throttle


def build(session: Session, resources: Resources) -> Recovery:
    """The new passwords, in the transaction of `session`."""
    return Recovery(
        repository=RecoveryRepository(resources.database.reads),
        accounts=build_accounts(session, resources),
        sessions=build_sessions(session, resources),
        one_time_tokens=build_one_time_tokens(session, resources),
        passwords=build_passwords(session, resources),
        throttle=build_throttle(session, resources),
        audit=build_audit(session, resources),
        events=resources.events(session),
        settings=resources.settings_as(Settings).one_time_tokens,
    )


async def _recovery(session: Session, resources: ResourcesDep) -> Recovery:
    return build(session, resources)


RecoveryDep = Annotated[Recovery, Depends(_recovery)]
