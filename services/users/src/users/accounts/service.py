"""Says who somebody is: by their address and password, and by their id."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog

from core.clock import Clock
from core.database import Position
from core.errors import Conflict, Forbidden, NotFound, RateLimited, Unauthenticated
from core.events import Events
from core.ids import format_id, new_id
from users.accounts import rules
from users.accounts.announcements import UserState
from users.accounts.models import Role, Status, User
from users.accounts.repository import AccountRepository, CredentialRow, UserRow
from users.audit.models import Action
from users.audit.service import OPERATOR, Audit
from users.passwords.rules import context_of
from users.passwords.service import Check, Passwords
from users.throttling.service import Throttle

log = structlog.get_logger("users.accounts")


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


class LastAdmin(Conflict):
    """Without this user there would be no active admin."""

    code = "last_admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """Accounts of people; a request's worth: it writes in one transaction."""

    repository: AccountRepository
    passwords: Passwords
    throttle: Throttle
    audit: Audit
    events: Events
    clock: Clock

    async def authenticate(self, *, email: str, password: str) -> User:
        """The active user of an address and a password, kept from changing until this transaction ends.

        Raises:
            InvalidCredentials: one of the two is wrong.
            EmailUnverified, UserSuspended: both are right, and that is not enough.
            RateLimited: there were too many attempts at this address.
            Overloaded: too many are waiting; it is no attempt.
        """
        address = rules.normalised(email)
        with self.passwords.queued() as check:
            found = await self.repository.credential(address)
            return await self._attempt(found, password, address=address, check=check)

    async def prove(self, user_id: UUID, password: str) -> User:
        """A signed-in user who knows their password, too, kept from changing until this transaction ends.

        Raises:
            InvalidCredentials: the password is wrong.
            RateLimited: there were too many attempts at this user's address.
            Overloaded: too many are waiting; it is no attempt.
        """
        with self.passwords.queued() as check:
            found = await self.repository.credential_of(user_id)
            if found is None:
                # Erased this instant.
                raise InvalidCredentials
            return await self._attempt(found, password, address=found.address, check=check)

    async def is_admin(self, *, email: str, password: str) -> bool:
        """Whether an admin could sign in with these; asked by an operator, so it is no attempt."""
        try:
            with self.passwords.queued() as check:
                found = await self.repository.credential(rules.normalised(email))
                user = await self._proven(found, password, check=check)
        except (InvalidCredentials, EmailUnverified, UserSuspended):
            return False
        return Role.ADMIN in user.roles

    async def get(self, user_id: UUID) -> UserRow:
        """One user, read outside the transaction.

        Raises:
            NotFound: there is none.
        """
        user = await self.repository.find(user_id)
        if user is None:
            raise NotFound("There is no such user.")
        return user

    async def page(self, filters: Mapping[str, Any], *, after: Position | None, limit: int) -> list[UserRow]:
        """Users whom the filters leave, the oldest first, and one more than `limit` if there are more.

        The filters are `status`, `role`, `email` (as `normalised`), `created_at_gte` and `created_at_lt`.
        """
        return await self.repository.page(filters, after=after, limit=limit)

    async def email_of(self, user_id: UUID) -> str | None:
        """Where to write to a user; None if they are gone."""
        user = await self.repository.find(user_id)
        return None if user is None else user.email

    async def locked(self, user_id: UUID) -> User:
        """One user, kept from changing until this transaction ends.

        Raises:
            NotFound: there is none.
        """
        user = await self.repository.locked(user_id)
        if user is None:
            raise NotFound("There is no such user.")
        return user

    async def change(self, user: User, **changes: Any) -> User:
        """Writes the next version of a `locked` user; the caller announces and records what that means."""
        return await self.repository.change(user, changes, at=self.clock.now())

    async def move(self, user: User, *, email: str) -> User:
        """Gives a `locked` user an address that they have proven, which is the next version of them.

        Raises:
            AddressTaken: it is somebody else's.
        """
        at = self.clock.now()
        changes = {"email": email, "address": rules.normalised(email), "verified_at": at}
        if not await self.repository.move(user, changes, at=at):
            raise AddressTaken
        return user

    async def refuse_last_admin(self, user: User) -> None:
        """Lets a `locked` user go, who is about to be no active admin any more, unless there is no other one.

        Of several who go at once, the last stays: each waits until the one before has committed.

        Raises:
            LastAdmin: there is no other one.
        """
        is_admin = user.status == Status.ACTIVE and Role.ADMIN in user.roles
        if is_admin and not await self.repository.has_other_active_admin(user.id):
            raise LastAdmin

    async def create_admin(self, *, email: str, password: str) -> User:
        """An active, verified admin with an address that is nobody's yet.

        Raises:
            AddressTaken: it is somebody's.
            WeakPassword, PasswordBreached: it could be guessed, and it may do everything.
        """
        address = rules.normalised(email)
        await self.passwords.refuse_weak(password, context=context_of(address=address, name=None))
        user = await self._put_admin(email=email, password_hash=await self.passwords.hash(password), takes_over=False)
        if user is None:
            raise AddressTaken
        return user

    async def put_admin(self, *, email: str, password: str) -> User:
        """An active, verified admin with this password, whoever has the address; the caller ends their sessions."""
        user = await self._put_admin(email=email, password_hash=await self.passwords.hash(password), takes_over=True)
        assert user is not None  # noqa: S101 - whoever has the address is taken over
        return user

    async def announce(self, type_: str, user: User) -> None:
        """Tells other services where a user stands."""
        state = UserState.model_validate({"id": format_id("usr", user.id), "status": user.status})
        await self.events.emit(type_, subject=state.id, sequence=user.version, data=state)

    async def count_announced(self) -> int:
        """How many users others know of: those who have proven their address, and are not about to go."""
        return await self.repository.count_announced()

    async def retell(self, *, after: UUID | None, limit: int) -> Sequence[UUID]:
        """Tells the next of them again as they are; their ids, in order."""
        users = await self.repository.announced(after=after, limit=limit)
        for user in users:
            # Not as activated: that is a moment, and who greets newcomers must not greet everybody again.
            await self.announce("user.updated", user)
        return [user.id for user in users]

    async def _attempt(self, found: CredentialRow | None, password: str, *, address: str, check: Check) -> User:
        try:
            # Before the password is looked at, so that no number of attempts at once gets more looks than are free.
            await self.throttle.attempt(address)
            user = await self._proven(found, password, check=check)
        except (RateLimited, Unauthenticated, Forbidden) as refused:
            # In the log, not in the audit trail, which anybody could fill with what can never be deleted.
            user_id = None if found is None else format_id("usr", found.user_id)
            log.info("a password was refused", reason=refused.code, user_id=user_id)
            raise
        await self.throttle.forgive(address)
        return user

    async def _proven(self, found: CredentialRow | None, password: str, *, check: Check) -> User:
        # Read outside the transaction: no connection is held while the password is checked.
        checked = await check(password, found.password_hash if found else None)
        if found is None or not checked.matches:
            raise InvalidCredentials
        user = await self.repository.locked_with(found)
        if user is None:
            # The password or the address was changed while it was being checked.
            raise InvalidCredentials
        _refuse_inactive(user)
        if checked.renewed:
            await self.passwords.renew(user.id, checked.renewed)
        return user

    async def _put_admin(self, *, email: str, password_hash: str, takes_over: bool) -> User | None:
        at, address = self.clock.now(), rules.normalised(email)
        put = await self.repository.put_admin(
            user_id=new_id(), address=address, email=email, at=at, takes_over=takes_over
        )
        if put is None:
            return None
        user, was = put
        await self.passwords.put(user.id, password_hash)
        await self.audit.record(Action.ADMIN_CREATED, subject=format_id("usr", user.id), actor=OPERATOR)
        # Once in a life: who was active or suspended was told of then.
        await self.announce("user.activated" if was in (None, Status.PENDING) else "user.updated", user)
        return user


def _refuse_inactive(user: User) -> None:
    if user.status == Status.PENDING:
        raise EmailUnverified
    if user.status == Status.SUSPENDED:
        raise UserSuspended
    if user.status != Status.ACTIVE:
        raise InvalidCredentials
