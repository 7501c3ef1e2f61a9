"""Gives somebody all that is held of them, and erases it when they ask."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from core.clock import Clock
from core.events import Events
from core.ids import format_id
from users.accounts.models import Status, User
from users.accounts.rules import Mailbox, mail_subject_of
from users.accounts.service import Accounts
from users.audit.models import Action, AuditEvent
from users.audit.service import SYSTEM, Audit
from users.email_changes.models import FormerAddress
from users.one_time_tokens.models import OneTimeToken
from users.privacy.announcements import Erasure
from users.privacy.repository import PrivacyRepository
from users.sessions.models import UserSession
from users.sessions.service import Sessions
from users.settings import PrivacySettings
from users.throttling.service import Throttle

# In one go of the job that erases what nobody answered for.
OVERDUE_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """All that is held of somebody."""

    user: User
    password_changed_at: datetime | None
    sessions: Sequence[UserSession]
    one_time_tokens: Sequence[OneTimeToken]
    former_addresses: Sequence[FormerAddress]
    audit_events: Sequence[AuditEvent]


@dataclass(frozen=True, slots=True, kw_only=True)
class Privacy:
    """What somebody may ask of those who hold their data; a request's worth: it writes in one transaction."""

    repository: PrivacyRepository
    accounts: Accounts
    sessions: Sessions
    throttle: Throttle
    audit: Audit
    events: Events
    clock: Clock
    settings: PrivacySettings

    async def export(self, user_id: UUID) -> Held:
        """All that is held of a user; that it was given out is the last line of it."""
        user = await self.accounts.locked(user_id)
        subject = format_id("usr", user_id)
        await self.audit.record(Action.USER_EXPORTED, subject=subject, actor=subject)
        return Held(
            user=user,
            password_changed_at=await self.repository.password_changed_at(user_id),
            sessions=await self.repository.sessions(user_id),
            one_time_tokens=await self.repository.one_time_tokens(user_id),
            former_addresses=await self.repository.former_addresses(user_id),
            audit_events=await self.repository.audit_events(subject),
        )

    async def request_erasure(self, user_id: UUID, *, password: str) -> datetime:
        """Closes an account at once, and asks whoever holds data of its owner; when it is erased at the latest.

        Raises:
            InvalidCredentials: the password is wrong.
            LastAdmin: nobody else could administer users.
        """
        user = await self.accounts.prove(user_id, password)
        await self.accounts.refuse_last_admin(user)
        asked_at = self.clock.now()
        user = await self.accounts.change(user, status=Status.DELETING, deleting_at=asked_at)
        subject = format_id("usr", user_id)
        await self.sessions.revoke_all(user_id, actor=subject)
        await self.audit.record(Action.USER_ERASURE_REQUESTED, subject=subject, actor=subject)
        await self._announce("user.erasure_requested", user)
        return asked_at + self._patience

    async def erase(self, user_id: UUID) -> None:
        """Erases somebody who has asked for it; nothing happens for anybody else."""
        user = await self.repository.locked(user_id)
        if user is None:
            return
        assert user.address is not None  # noqa: S101 - until they are erased
        await self.throttle.forgive(user.address)
        await self.repository.erase(user_id)
        # What this service has told itself about their mail, with what mail servers had to say about it.
        for mailbox in Mailbox:
            await self.events.erase(mail_subject_of(user_id, mailbox))
        nothing = {"address": None, "email": None, "name": None, "locale": None, "metadata_": {}, "deleting_at": None}
        user = await self.accounts.change(user, status=Status.ERASED, **nothing)
        await self.audit.record(Action.USER_ERASED, subject=format_id("usr", user_id), actor=SYSTEM)
        await self._announce("user.erased", user)

    async def overdue(self) -> Sequence[UUID]:
        """Some of those whose data nobody answered for in time."""
        return await self.repository.overdue(before=self.clock.now() - self._patience, limit=OVERDUE_MAX)

    async def count_leaving(self) -> int:
        """How many users wait for their erasure."""
        return await self.repository.count_leaving()

    async def retell(self, *, after: UUID | None, limit: int) -> Sequence[UUID]:
        """Asks again for the next of them; their ids, in order."""
        users = await self.repository.leaving(after=after, limit=limit)
        for user in users:
            await self._announce("user.erasure_requested", user)
        return [user.id for user in users]

    @property
    def _patience(self) -> timedelta:
        return timedelta(days=self.settings.erasure_days)

    async def _announce(self, type_: str, user: User) -> None:
        state = Erasure(id=format_id("usr", user.id))
        await self.events.emit(type_, subject=state.id, sequence=user.version, data=state)
