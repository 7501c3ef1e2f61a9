"""Shows somebody their own account, and changes what is theirs to decide."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from core.errors import NotFound, Unauthenticated
from core.ids import format_id
from core.web.etags import Preconditions
from users.accounts.models import Status, User
from users.accounts.service import Accounts
from users.audit.models import Action
from users.audit.service import Audit
from users.profile import rules
from users.profile.repository import ProfileRepository, ProfileRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Profiles:
    """Accounts in the hands of their owners; a request's worth: it writes in one transaction."""

    repository: ProfileRepository
    accounts: Accounts
    audit: Audit

    async def get(self, user_id: UUID) -> ProfileRow:
        """An account, read outside the transaction.

        Raises:
            NotFound: there is none.
        """
        profile = await self.repository.find(user_id)
        if profile is None:
            raise NotFound("There is no such user.")
        return profile

    async def change(self, user_id: UUID, preconditions: Preconditions, patch: Mapping[str, Any]) -> User:
        """Changes name, locale or metadata. Other services hold none of these, so none is told.

        Raises:
            PreconditionRequired, PreconditionFailed: it is not said, or not so, which version is changed.
            Invalid: there would be too much metadata.
            Unauthenticated: the account was closed this instant.
        """
        user = await self.accounts.locked(user_id)
        if user.status != Status.ACTIVE:
            raise Unauthenticated
        preconditions.check(user.version)
        before = {"name": user.name, "locale": user.locale, "metadata": user.metadata_}
        after = rules.merged(before, patch)
        changed = [name for name, value in before.items() if after[name] != value]
        if not changed:
            return user
        who = format_id("usr", user.id)
        await self.audit.record(Action.USER_UPDATED, subject=who, actor=who, members=changed)
        return await self.accounts.change(user, name=after["name"], locale=after["locale"], metadata_=after["metadata"])
