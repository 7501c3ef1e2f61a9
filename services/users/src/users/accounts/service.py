"""Registers people, has them prove their address, and says who knows the password of an account."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from core.clock import Clock
from core.errors import Conflict, FieldError, Forbidden, Invalid, NotFound, Unauthenticated
from core.events import Events
from core.ids import format_id, new_id
from core.mail import Message
from users.accounts import rules
from users.accounts.announcements import UserState
from users.accounts.models import Role, Status, User
from users.accounts.provider import Passwords
from users.accounts.repository import AccountRepository, UserRow
from users.settings import Settings
from users.tokens.models import Purpose
from users.tokens.service import InvalidOrExpiredToken, OneTimeTokens

# What this service tells itself, so that mail leaves after the commit and until the mail server has it.
VERIFICATION_REQUESTED = "email_verification.requested"
REGISTRATION_REPEATED = "registration.repeated"


class WeakPassword(Invalid):
    """The password is too easy to guess."""

    code = "weak_password"


class InvalidCredentials(Unauthenticated):
    """There is no account with this address and this password."""

    code = "invalid_credentials"


class AddressTaken(Conflict):
    """There is an account with this address."""

    code = "address_taken"


class EmailUnverified(Forbidden):
    """The address of this account has not been confirmed yet."""

    code = "email_unverified"


class UserSuspended(Forbidden):
    """This account is suspended."""

    code = "user_suspended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """Accounts of people; a request's worth: it writes in one transaction."""

    repository: AccountRepository
    one_time_tokens: OneTimeTokens
    passwords: Passwords
    events: Events
    clock: Clock
    settings: Settings

    async def register(self, *, email: str, password: str, name: str | None, locale: str | None) -> None:
        """Takes a registration; the owner of the address learns by mail what came of it, and the caller nothing.

        Raises:
            WeakPassword: before anything is looked up.
        """
        address, now = rules.normalised(email), self.clock.now()
        self._refuse_weak(password, context=rules.context_of(address=address, name=name))
        password_hash = await self.passwords.hash(password)
        profile = {"email": email, "name": name, "locale": locale}
        # Four statements in either case. Until the address is proven, the latest registration counts: nobody can
        # leave a password of theirs behind on the address of somebody else.
        user_id = await self.repository.add_pending(user_id=new_id(), address=address, at=now, profile=profile)
        if user_id is None:
            await self._notify_owner_of(address)
        else:
            await self.repository.put_hash(user_id, password_hash, at=now)
            await self._ask_to_verify(user_id, await self._issue(user_id))

    async def request_verification(self, email: str) -> None:
        """Sends another mail to an address that waits to be proven; no other address makes a difference to see."""
        user_id = await self.repository.pending_id_of(rules.normalised(email))
        token_id = await (self._issue(user_id) if user_id else self.one_time_tokens.issue_to_nobody())
        await self._ask_to_verify(user_id or new_id(), token_id)

    async def confirm(self, token: str) -> User:
        """Takes the proof of an address: its user is active from now on.

        Raises:
            InvalidOrExpiredToken: the token is not, or no longer, good for that.
        """
        user_id = await self.one_time_tokens.user_of(token, purpose=Purpose.VERIFY_EMAIL)
        # The user first, then the token: a registration takes its locks in this order, and two orders would deadlock.
        user = await self.repository.activate(user_id, at=self.clock.now())
        if user is None:
            raise InvalidOrExpiredToken
        await self.one_time_tokens.redeem(token)
        await self._announce("user.activated", user)
        return user

    async def authenticate(self, *, email: str, password: str) -> User:
        """The active user of an address and a password, kept from changing until this transaction ends.

        Raises:
            InvalidCredentials: one of the two is wrong.
            EmailUnverified, UserSuspended: both are right, and that is not enough.
            Overloaded: too many are waiting.
        """
        # Read outside the transaction: no connection is held while the password is checked.
        found = await self.repository.credential(rules.normalised(email))
        matches = await self.passwords.matches(password, found.password_hash if found else None)
        if found is None or not matches:
            raise InvalidCredentials
        renewed = None
        if self.passwords.is_outdated(found.password_hash):
            renewed = await self.passwords.hash(password)
        user = await self.repository.locked(found.user_id, password_hash=found.password_hash)
        if user is None:
            # The password was changed while it was being checked.
            raise InvalidCredentials
        _refuse_inactive(user)
        if renewed:
            await self.repository.renew_hash(user.id, renewed)
        return user

    async def is_admin(self, *, email: str, password: str) -> bool:
        """Whether an admin could sign in with these."""
        try:
            user = await self.authenticate(email=email, password=password)
        except (InvalidCredentials, EmailUnverified, UserSuspended):
            return False
        return Role.ADMIN in user.roles

    async def get(self, user_id: UUID) -> UserRow:
        """One user.

        Raises:
            NotFound: there is none.
        """
        user = await self.repository.find(user_id)
        if user is None:
            raise NotFound("There is no such user.")
        return user

    async def create_admin(self, *, email: str, password: str) -> User:
        """An active, verified admin with an address that is nobody's yet.

        Raises:
            AddressTaken: it is somebody's.
            WeakPassword: it could be guessed, and it may do everything.
        """
        address = rules.normalised(email)
        self._refuse_weak(password, context=rules.context_of(address=address, name=None))
        profile = {"email": email, "name": None, "locale": None}
        at = self.clock.now()
        if await self.repository.add_pending(user_id=new_id(), address=address, at=at, profile=profile) is None:
            raise AddressTaken
        return await self.put_admin(email=email, password=password)

    async def put_admin(self, *, email: str, password: str) -> User:
        """An active, verified admin with this password, whoever has the address; the caller ends their sessions."""
        now = self.clock.now()
        password_hash = await self.passwords.hash(password)
        user = await self.repository.put_admin(user_id=new_id(), address=rules.normalised(email), email=email, at=now)
        await self.repository.put_hash(user.id, password_hash, at=now)
        await self._announce("user.activated", user)
        return user

    async def verification_mail(self, token_id: UUID) -> Message | None:
        """The mail that shows a one-time token; None if the token is used, replaced or nobody's."""
        holder = await self.one_time_tokens.holder(token_id)
        user = None if holder is None else await self.repository.find(holder)
        if user is None or user.email is None:
            return None
        token, hours = self.one_time_tokens.text_of(token_id), self.settings.one_time_tokens.verification_hours
        return rules.verification_mail(to=user.email, token=token, hours=hours)

    async def registration_notice(self, user_id: UUID) -> Message | None:
        """The mail to somebody whose address was registered again; None if they are gone."""
        user = await self.repository.find(user_id)
        return None if user is None or user.email is None else rules.registration_notice(to=user.email)

    async def count_announced(self) -> int:
        """How many users others know of: those who have proven their address, and are not about to go."""
        return await self.repository.count_announced()

    async def retell(self, *, after: UUID | None, limit: int) -> Sequence[UUID]:
        """Tells the next of them again as they are; their ids, in order."""
        users = await self.repository.announced(after=after, limit=limit)
        for user in users:
            # Not as activated: that is a moment, and who greets newcomers must not greet everybody again.
            await self._announce("user.updated", user)
        return [user.id for user in users]

    def _refuse_weak(self, password: str, *, context: Collection[str]) -> None:
        policy = self.settings.passwords
        reason = rules.weakness(
            password,
            length_min=policy.length_min,
            length_max=policy.length_max,
            context=context,
            common=self.passwords.common,
        )
        if reason:
            raise WeakPassword(reason, (FieldError("#/password", WeakPassword.code, reason),))

    async def _issue(self, user_id: UUID) -> UUID:
        lifetime = timedelta(hours=self.settings.one_time_tokens.verification_hours)
        return await self.one_time_tokens.issue(user_id, purpose=Purpose.VERIFY_EMAIL, lifetime=lifetime)

    async def _ask_to_verify(self, user_id: UUID, token_id: UUID) -> None:
        await self.events.emit(VERIFICATION_REQUESTED, subject=_mail_of(user_id), data={"token_id": str(token_id)})

    async def _notify_owner_of(self, address: str) -> None:
        # Nobody, if the owner was erased this instant.
        owner = await self.repository.id_of(address) or new_id()
        await self.one_time_tokens.issue_to_nobody()
        await self.events.emit(REGISTRATION_REPEATED, subject=_mail_of(owner), data={"user_id": str(owner)})

    async def _announce(self, type_: str, user: User) -> None:
        state = UserState.model_validate({"id": format_id("usr", user.id), "status": user.status})
        await self.events.emit(type_, subject=state.id, sequence=user.version, data=state)


def _mail_of(user_id: UUID) -> str:
    """A subject of its own: order holds per subject, and a mail that waits must not hold back what others wait for."""
    return f"{format_id('usr', user_id)}/mail"


def _refuse_inactive(user: User) -> None:
    if user.status == Status.PENDING:
        raise EmailUnverified
    if user.status == Status.SUSPENDED:
        raise UserSuspended
    if user.status != Status.ACTIVE:
        raise InvalidCredentials
