"""How the service of accounts is built: for a request, an event or a command."""

from typing import Annotated

from fastapi import Depends

from core.dependencies import ResourcesDep, Session
from core.resources import Resources
from users.accounts.repository import AccountRepository
from users.accounts.service import Accounts
from users.audit.dependencies import build as build_audit
from users.passwords.dependencies import build as build_passwords


def build(session: Session, resources: Resources) -> Accounts:
    """The accounts, in the transaction of `session`."""
    return Accounts(
        repository=AccountRepository(session, resources.database.reads),
        passwords=build_passwords(session, resources),
        audit=build_audit(session, resources),
        events=resources.events(session),
        clock=resources.clock,
    )


async def _accounts(session: Session, resources: ResourcesDep) -> Accounts:
    return build(session, resources)


AccountsDep = Annotated[Accounts, Depends(_accounts)]
