"""How the service of accounts is built: for a request, an event or a command."""

from typing import Annotated

from fastapi import Depends

from core.dependencies import ResourcesDep, Session
from core.resources import Resources
from users.accounts.provider import Passwords
from users.accounts.repository import AccountRepository
from users.accounts.service import Accounts
from users.settings import Settings
from users.tokens.dependencies import build_one_time_tokens


def build(session: Session, resources: Resources) -> Accounts:
    """The accounts, in the transaction of `session`."""
    return Accounts(
        repository=AccountRepository(session, resources.database.reads),
        one_time_tokens=build_one_time_tokens(session, resources),
        passwords=resources[Passwords],
        events=resources.events(session),
        clock=resources.clock,
        settings=resources.settings_as(Settings),
    )


async def _accounts(session: Session, resources: ResourcesDep) -> Accounts:
    return build(session, resources)


AccountsDep = Annotated[Accounts, Depends(_accounts)]
