"""Registers people, and has them prove their address."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog

from core.clock import Clock
from core.events import Events
from core.ids import format_id, new_id
from core.mail import Message
from users.accounts.models import User
from users.accounts.rules import mail_subject_of, normalised
from users.accounts.service import Accounts
from users.audit.models import Action
from users.audit.service import Audit
from users.one_time_tokens.models import Purpose
from users.one_time_tokens.service import InvalidOrExpiredToken, OneTimeTokens
from users.passwords.rules import context_of
from users.passwords.service import Passwords
from users.registration import rules
from users.registration.repository import RegistrationRepository
from users.settings import OneTimeTokenSettings

# What this service tells itself, so that mail leaves after the commit and until the mail server has it.
VERIFICATION_REQUESTED = "email_verification.requested"
REGISTRATION_REPEATED = "registration.repeated"
# In one transaction of the job that forgets registrations.
FORGOTTEN_MAX = 1_000

log = structlog.get_logger("users.registration")


@dataclass(frozen=True, slots=True, kw_only=True)
class Registrations:
    """Registrations; a request's worth: it writes in one transaction."""

    repository: RegistrationRepository
    accounts: Accounts
    one_time_tokens: OneTimeTokens
    passwords: Passwords
    audit: Audit
    events: Events
    clock: Clock
    kept: timedelta
    settings: OneTimeTokenSettings

    async def register(self, *, email: str, password: str, name: str | None, locale: str | None) -> None:
        """Takes a registration; the owner of the address learns by mail what came of it, and the caller nothing.

        Raises:
            WeakPassword, PasswordBreached: before anything is looked up.
        """
        address, now = normalised(email), self.clock.now()
        await self.passwords.refuse_weak(password, context=context_of(address=address, name=name))
        password_hash = await self.passwords.hash(password)
        profile = {"email": email, "name": name, "locale": locale}
        # As many statements in either case. Until the address is proven, the latest registration counts: nobody can
        # leave a password of theirs behind on the address of somebody else.
        user_id = await self.repository.add_pending(user_id=new_id(), address=address, at=now, profile=profile)
        if user_id is None:
            await self._notify_owner_of(address)
        else:
            await self.passwords.put(user_id, password_hash)
            self._log(user_id, repeated=False)
            await self._ask_to_verify(user_id, await self._issue(user_id))

    async def request_verification(self, email: str) -> None:
        """Sends another mail to an address that waits to be proven; no other address makes a difference to see."""
        user_id = await self.repository.pending_id_of(normalised(email))
        token_id = await (self._issue(user_id) if user_id else self.one_time_tokens.issue_to_nobody())
        await self._ask_to_verify(user_id or new_id(), token_id)

    async def confirm(self, token: str) -> User:
        """Takes the proof of an address: its user is active from now on.

        Raises:
            InvalidOrExpiredToken: the token is not, or no longer, good for that.
        """
        shown = await self.one_time_tokens.shown(token, purpose=Purpose.VERIFY_EMAIL)
        # The user first, then the token: a registration takes its locks in this order, and two orders would deadlock.
        user = await self.repository.activate(shown.user_id, at=self.clock.now())
        if user is None:
            raise InvalidOrExpiredToken
        await self.one_time_tokens.redeem(token)
        subject = format_id("usr", user.id)
        await self.audit.record(Action.USER_VERIFIED, subject=subject, actor=subject)
        await self.accounts.announce("user.activated", user)
        return user

    async def forget_unconfirmed(self) -> bool:
        """Deletes whoever has not proven their address in time; whether there may be more of them."""
        before = self.clock.now() - self.kept
        return await self.repository.discard_unconfirmed(before=before, limit=FORGOTTEN_MAX) >= FORGOTTEN_MAX

    async def verification_mail(self, token_id: UUID) -> Message | None:
        """The mail that shows a one-time token; None if the token is used, replaced or nobody's."""
        holder = await self.one_time_tokens.holder(token_id)
        email = None if holder is None else await self.accounts.email_of(holder.user_id)
        if email is None:
            return None
        token = self.one_time_tokens.text_of(token_id)
        return rules.verification_mail(to=email, token=token, hours=self.settings.verification_hours)

    async def registration_notice(self, user_id: UUID) -> Message | None:
        """The mail to somebody whose address was registered again; None if they are gone."""
        email = await self.accounts.email_of(user_id)
        return None if email is None else rules.registration_notice(to=email)

    async def _issue(self, user_id: UUID) -> UUID:
        lifetime = timedelta(hours=self.settings.verification_hours)
        return await self.one_time_tokens.issue(user_id, purpose=Purpose.VERIFY_EMAIL, lifetime=lifetime)

    async def _ask_to_verify(self, user_id: UUID, token_id: UUID) -> None:
        subject = mail_subject_of(user_id)
        await self.events.emit(VERIFICATION_REQUESTED, subject=subject, data={"token_id": str(token_id)})

    async def _notify_owner_of(self, address: str) -> None:
        # Nobody, if the owner was erased this instant.
        owner = await self.repository.id_of(address) or new_id()
        self._log(owner, repeated=True)
        await self.one_time_tokens.issue_to_nobody()
        subject = mail_subject_of(owner)
        await self.events.emit(REGISTRATION_REPEATED, subject=subject, data={"user_id": str(owner)})

    def _log(self, user_id: UUID, *, repeated: bool) -> None:
        # Not in the audit trail, which anybody could fill with what can never be deleted: that begins with a proof.
        log.info("an address was registered", user_id=format_id("usr", user_id), repeated=repeated)
