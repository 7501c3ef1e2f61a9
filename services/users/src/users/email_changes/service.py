"""Gives an account another address, once its owner has proven that mail arrives there."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog

from core.clock import Clock
from core.events import Events
from core.ids import format_id, new_id
from core.mail import Message
from users.accounts.models import Status, User
from users.accounts.rules import Mailbox, mail_subject_of, normalised
from users.accounts.service import Accounts
from users.audit.models import Action
from users.audit.service import Audit
from users.email_changes import rules
from users.email_changes.repository import EmailChangeRepository
from users.one_time_tokens.models import Purpose
from users.one_time_tokens.service import InvalidOrExpiredToken, OneTimeTokens
from users.sessions.service import Sessions
from users.settings import OneTimeTokenSettings
from users.throttling.service import Throttle

# What this service tells itself, so that mail leaves after the commit and until the mail server has it.
CONFIRMATION_REQUESTED = "email_change.confirmation_requested"
REQUEST_NOTICED = "email_change.requested"
ADDRESS_WANTED = "email_change.address_wanted"
EMAIL_CHANGED = "email_change.confirmed"

log = structlog.get_logger("users.email_changes")


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailChanges:
    """Changes of an address; a request's worth: it writes in one transaction."""

    repository: EmailChangeRepository
    accounts: Accounts
    sessions: Sessions
    one_time_tokens: OneTimeTokens
    throttle: Throttle
    audit: Audit
    events: Events
    clock: Clock
    settings: OneTimeTokenSettings

    async def request(self, user_id: UUID, *, new_email: str, current_password: str) -> None:
        """Sends a token to the new address, or a notice to whoever it belongs to; the caller is not told which.

        Raises:
            InvalidCredentials, RateLimited, Overloaded: as Accounts.prove says.
        """
        user = await self.accounts.prove(user_id, current_password)
        owner = await self.repository.owner_of(normalised(new_email))
        # As many statements in either case, and an older token is void in both: neither tells whose the address is.
        if owner is None or owner == user.id:
            await self._send_token(user.id, new_email)
        else:
            await self.one_time_tokens.revoke(user.id, Purpose.CHANGE_EMAIL)
            await self._emit(ADDRESS_WANTED, mail_subject_of(owner), user_id=owner)
        await self._emit(REQUEST_NOTICED, mail_subject_of(user.id), user_id=user.id)
        await self._record(Action.EMAIL_CHANGE_REQUESTED, user.id)

    async def confirm(self, token: str, *, user_id: UUID, session_id: UUID) -> User:
        """Gives the caller the address that the token proves, and ends all their sessions but this one.

        Whoever reads the mail of an address can set a new password: it is a way in, so what was opened before it
        changed is closed (ASVS 5.0, 7.4.3).

        Raises:
            InvalidOrExpiredToken: the token is not, or no longer, good for that, or another user's.
            AddressTaken: somebody else has proven meanwhile that the address is theirs.
        """
        shown = await self.one_time_tokens.shown(token, purpose=Purpose.CHANGE_EMAIL)
        if shown.user_id != user_id:
            raise InvalidOrExpiredToken
        assert shown.new_email is not None  # noqa: S101 - no token for this purpose is without one
        user = await self.accounts.locked(user_id)
        if user.status != Status.ACTIVE:
            raise InvalidOrExpiredToken
        await self.one_time_tokens.redeem(token)
        await self._leave(user)
        await self._make_room(shown.new_email)
        user = await self.accounts.move(user, email=shown.new_email)
        await self.throttle.forgive(normalised(shown.new_email))
        await self.one_time_tokens.revoke(user.id, Purpose.RESET_PASSWORD, Purpose.VERIFY_EMAIL)
        await self.sessions.revoke_all(user.id, actor=format_id("usr", user.id), but=session_id)
        await self._record(Action.EMAIL_CHANGED, user.id)
        return user

    async def confirmation_mail(self, token_id: UUID) -> Message | None:
        """The mail that shows a token, to the address that it proves; None if it is used, replaced or nobody's."""
        holder = await self.one_time_tokens.holder(token_id)
        email = None if holder is None else holder.new_email
        if email is None:
            return None
        token = self.one_time_tokens.text_of(token_id)
        return rules.confirmation_mail(to=email, token=token, hours=self.settings.email_change_hours)

    async def taken_notice(self, user_id: UUID) -> Message | None:
        """The mail to somebody whose address another account was to have; None if they are gone."""
        email = await self.accounts.email_of(user_id)
        return None if email is None else rules.taken_notice(to=email)

    async def request_notice(self, user_id: UUID) -> Message | None:
        """The mail to somebody whose account may get another address; None if they are gone."""
        email = await self.accounts.email_of(user_id)
        return None if email is None else rules.request_notice(to=email)

    async def change_notice(self, former_id: UUID) -> Message | None:
        """The mail to an address that somebody has left; None if it was sent, or they are gone."""
        email = await self.repository.former(former_id)
        return None if email is None else rules.change_notice(to=email)

    async def forget(self, former_id: UUID) -> None:
        """Deletes an address that has been told."""
        await self.repository.discard_former(former_id)

    async def _send_token(self, user_id: UUID, new_email: str) -> None:
        lifetime = timedelta(hours=self.settings.email_change_hours)
        token_id = await self.one_time_tokens.issue(
            user_id, purpose=Purpose.CHANGE_EMAIL, lifetime=lifetime, new_email=new_email
        )
        await self._emit(CONFIRMATION_REQUESTED, mail_subject_of(user_id, Mailbox.NEW), token_id=token_id)

    async def _leave(self, user: User) -> None:
        assert user.email is not None  # noqa: S101 - until they are erased
        former_id = new_id()
        await self.repository.add_former(former_id=former_id, user_id=user.id, email=user.email, at=self.clock.now())
        await self._emit(EMAIL_CHANGED, mail_subject_of(user.id, Mailbox.FORMER), former_id=former_id)

    async def _make_room(self, new_email: str) -> None:
        """An address that is proven counts more than a registration with it, which anybody could have left there."""
        pending = await self.repository.discard_pending(normalised(new_email))
        if pending is not None:
            # Where the registration is, too: the audit trail knows nobody before their proof.
            log.info("a registration made room", user_id=format_id("usr", pending))

    async def _emit(self, type_: str, subject: str, **ids: UUID) -> None:
        await self.events.emit(type_, subject=subject, data={name: str(id_) for name, id_ in ids.items()})

    async def _record(self, action: Action, user_id: UUID) -> None:
        who = format_id("usr", user_id)
        await self.audit.record(action, subject=who, actor=who)
