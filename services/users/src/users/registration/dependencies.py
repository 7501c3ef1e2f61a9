"""How the service of registrations is built: for a request or an event."""

from datetime import timedelta
from typing import Annotated

from fastapi import Depends

from core.dependencies import ResourcesDep, Session
from core.resources import Resources
from users.accounts.dependencies import build as build_accounts
from users.audit.dependencies import build as build_audit
from users.one_time_tokens.dependencies import build as build_one_time_tokens
from users.passwords.dependencies import build as build_passwords
from users.registration.repository import RegistrationRepository
from users.registration.service import Registrations
from users.settings import Settings


def build(session: Session, resources: Resources) -> Registrations:
    """The registrations, in the transaction of `session`."""
    settings = resources.settings_as(Settings)
    return Registrations(
        repository=RegistrationRepository(session),
        accounts=build_accounts(session, resources),
        one_time_tokens=build_one_time_tokens(session, resources),
        passwords=build_passwords(session, resources),
        audit=build_audit(session, resources),
        events=resources.events(session),
        clock=resources.clock,
        kept=timedelta(days=settings.registrations.kept_days),
        settings=settings.one_time_tokens,
    )


async def _registrations(session: Session, resources: ResourcesDep) -> Registrations:
    return build(session, resources)


RegistrationsDep = Annotated[Registrations, Depends(_registrations)]
