"""Replaces passwords, and ends whatever the former one has opened."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog

from core.events import Events
from core.ids import format_id, new_id
from core.mail import Message
from users.accounts.models import Status, User
from users.accounts.rules import mail_subject_of, normalised
from users.accounts.service import Accounts
from users.audit.models import Action
from users.audit.service import Audit
from users.one_time_tokens.models import Purpose
from users.one_time_tokens.service import InvalidOrExpiredToken, OneTimeTokens
from users.passwords.rules import context_of
from users.passwords.service import Passwords
from users.recovery import rules
from users.recovery.repository import RecoveryRepository
from users.sessions.service import Sessions
from users.settings import OneTimeTokenSettings
from users.throttling.service import Throttle

# What this service tells itself, so that mail leaves after the commit and until the mail server has it.
RESET_REQUESTED = "password_reset.requested"
PASSWORD_REPLACED = "password.replaced"  # noqa: S105 - what happened


log = structlog.get_logger("users.recovery")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """New passwords; a request's worth: it writes in one transaction."""

    repository: RecoveryRepository
    accounts: Accounts
    sessions: Sessions
    one_time_tokens: OneTimeTokens
    passwords: Passwords
    throttle: Throttle
    audit: Audit
    events: Events
    settings: OneTimeTokenSettings

    async def request(self, email: str) -> None:
        """Sends a token to the owner of an address who could sign in; no other address makes a difference to see.

        Nobody else has a use for it: whoever is pending has a mail that asks for the proof of their address, and who is
        suspended or about to go is let in by no password.
        """
        user_id = await self.repository.active_id_of(normalised(email))
        # In the log, not in the audit trail, which anybody could fill with what can never be deleted.
        log.info("a password reset was requested", user_id=None if user_id is None else format_id("usr", user_id))
        # As many statements in either case: how long a request takes must not tell who is registered.
        token_id = await (self._issue(user_id) if user_id else self.one_time_tokens.issue_to_nobody())
        await self._ask_to_mail(user_id or new_id(), token_id)

    async def send(self, user_id: UUID, *, actor: str) -> None:
        """Sends a token to an active user because an admin asks for it; it ends the one that they were sent before."""
        await self._ask_to_mail(user_id, await self._issue(user_id))
        await self.audit.record(Action.PASSWORD_RESET_REQUESTED, subject=format_id("usr", user_id), actor=actor)

    async def reset(self, token: str, *, new_password: str) -> None:
        """Sets the password of whoever was sent the token, and ends all their sessions; they sign in anew.

        Raises:
            InvalidOrExpiredToken: the token is not, or no longer, good for that.
            WeakPassword: it could be guessed; the token can be used still.
        """
        shown = await self.one_time_tokens.shown(token, purpose=Purpose.RESET_PASSWORD)
        password_hash = await self._hash(shown.user_id, new_password)
        user = await self.accounts.locked(shown.user_id)
        if user.status != Status.ACTIVE:
            raise InvalidOrExpiredToken
        assert user.address is not None  # noqa: S101 - until they are erased
        await self.one_time_tokens.redeem(token)
        await self.throttle.forgive(user.address)
        await self._replace(user, password_hash, Action.PASSWORD_RESET)

    async def change(self, user_id: UUID, *, current_password: str, new_password: str, session_id: UUID) -> None:
        """Sets the password of a user who knows the current one, and ends all their sessions but this one.

        Raises:
            WeakPassword: before the current one is looked at.
            InvalidCredentials: the current one is another.
        """
        password_hash = await self._hash(user_id, new_password)
        user = await self.accounts.prove(user_id, current_password)
        await self._replace(user, password_hash, Action.PASSWORD_CHANGED, session_id=session_id)

    async def reset_mail(self, token_id: UUID) -> Message | None:
        """The mail that shows a token; None if the token is used, replaced or nobody's."""
        holder = await self.one_time_tokens.holder(token_id)
        email = None if holder is None else await self.accounts.email_of(holder.user_id)
        if email is None:
            return None
        token = self.one_time_tokens.text_of(token_id)
        return rules.reset_mail(to=email, token=token, minutes=self.settings.reset_minutes)

    async def password_notice(self, user_id: UUID) -> Message | None:
        """The mail to somebody whose password was replaced; None if they are gone."""
        email = await self.accounts.email_of(user_id)
        return None if email is None else rules.password_notice(to=email)

    async def _hash(self, user_id: UUID, new_password: str) -> str:
        # No transaction has begun: none waits for a password to be hashed.
        user = await self.accounts.get(user_id)
        context = context_of(address=user.email or "", name=user.name)
        await self.passwords.refuse_weak(new_password, context=context, field="new_password")
        return await self.passwords.hash(new_password)

    async def _replace(self, user: User, password_hash: str, action: Action, session_id: UUID | None = None) -> None:
        """Sets the password of a locked user, and ends what others may have opened with, or in spite of, the former."""
        who = format_id("usr", user.id)
        await self.passwords.put(user.id, password_hash)
        await self.one_time_tokens.revoke(user.id, Purpose.RESET_PASSWORD, Purpose.CHANGE_EMAIL)
        await self.sessions.revoke_all(user.id, actor=who, but=session_id)
        await self.audit.record(action, subject=who, actor=who)
        await self.events.emit(PASSWORD_REPLACED, subject=mail_subject_of(user.id), data={"user_id": str(user.id)})

    async def _issue(self, user_id: UUID) -> UUID:
        lifetime = timedelta(minutes=self.settings.reset_minutes)
        return await self.one_time_tokens.issue(user_id, purpose=Purpose.RESET_PASSWORD, lifetime=lifetime)

    async def _ask_to_mail(self, user_id: UUID, token_id: UUID) -> None:
        await self.events.emit(RESET_REQUESTED, subject=mail_subject_of(user_id), data={"token_id": str(token_id)})
