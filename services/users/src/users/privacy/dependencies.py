"""How the service of privacy is built: for a request, an event or a job."""

from typing import Annotated

from fastapi import Depends

from core.dependencies import ResourcesDep, Session
from core.resources import Resources
from users.accounts.dependencies import build as build_accounts
from users.audit.dependencies import build as build_audit
from users.privacy.repository import PrivacyRepository
from users.privacy.service import Privacy
from users.sessions.dependencies import build as build_sessions
from users.settings import Settings
from users.throttling.dependencies import build as build_throttle


def build(session: Session, resources: Resources) -> Privacy:
    """The requests of people about their data, in the transaction of `session`."""
    return Privacy(
        repository=PrivacyRepository(session),
        accounts=build_accounts(session, resources),
        sessions=build_sessions(session, resources),
        throttle=build_throttle(session, resources),
        audit=build_audit(session, resources),
        events=resources.events(session),
        clock=resources.clock,
        settings=resources.settings_as(Settings).privacy,
    )


async def _privacy(session: Session, resources: ResourcesDep) -> Privacy:
    return build(session, resources)


PrivacyDep = Annotated[Privacy, Depends(_privacy)]
