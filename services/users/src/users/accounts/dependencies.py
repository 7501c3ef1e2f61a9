"""How the service of accounts is built: for a request, an event or a command."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends

from core.dependencies import ResourcesDep, Session
from core.rate_limits import RateLimits
from core.resources import Resources
from users.accounts.repository import AccountRepository
from users.accounts.rules import normalised
from users.accounts.service import Accounts
from users.audit.dependencies import build as build_audit
from users.passwords.dependencies import build as build_passwords
from users.settings import Settings
from users.throttling.dependencies import build as build_throttle


def build(session: Session, resources: Resources) -> Accounts:
    """The accounts, in the transaction of `session`."""
    return Accounts(
        repository=AccountRepository(session, resources.database.reads),
        passwords=build_passwords(session, resources),
        throttle=build_throttle(session, resources),
        audit=build_audit(session, resources),
        events=resources.events(session),
        clock=resources.clock,
    )


async def _accounts(session: Session, resources: ResourcesDep) -> Accounts:
    return build(session, resources)


AccountsDep = Annotated[Accounts, Depends(_accounts)]


@dataclass(frozen=True, slots=True)
class MailLimit:
    """How often strangers may have one kind of mail sent to one address, whether it is anybody's or not."""

    rate_limits: RateLimits
    limit: str | None

    async def count(self, mail: str, *, to: str) -> None:
        """Counts that this mail was asked for.

        Raises:
            RateLimited: it was asked for as often as it may be.
        """
        await self.rate_limits.hit(f"{mail}/address", normalised(to), self.limit)


async def _mail_limit(resources: ResourcesDep) -> MailLimit:
    return MailLimit(resources.rate_limits, resources.settings_as(Settings).limits.mail_per_address)


MailLimitDep = Annotated[MailLimit, Depends(_mail_limit)]
