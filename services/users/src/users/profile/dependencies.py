"""How the service of one's own account is built."""

from typing import Annotated

from fastapi import Depends

from core.dependencies import ResourcesDep, Session
from users.accounts.dependencies import build as build_accounts
from users.audit.dependencies import build as build_audit
from users.profile.repository import ProfileRepository
from users.profile.service import Profiles


async def _profiles(session: Session, resources: ResourcesDep) -> Profiles:
    return Profiles(
        repository=ProfileRepository(resources.database.reads),
        accounts=build_accounts(session, resources),
        audit=build_audit(session, resources),
    )


ProfilesDep = Annotated[Profiles, Depends(_profiles)]
