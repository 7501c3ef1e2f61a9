"""Says who somebody is: by their address and password, and by their id."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from core.clock import Clock
from core.errors import Conflict, Forbidden, NotFound, Unauthenticated
from core.events import Events
from core.ids import format_id, new_id
from users.accounts import rules
from users.accounts.announcements import UserState
from users.accounts.models import Role, Status, User
from users.accounts.repository import AccountRepository, CredentialRow, UserRow
from users.audit.models import Action
from users.audit.service import OPERATOR, Audit
from users.passwords.rules import context_of
from users.passwords.service import Passwords


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
    passwords: Passwords
    audit: Audit
    events: Events
    clock: Clock

    async def authenticate(self, *, email: str, password: str) -> User:
        """The active user of an address and a password, kept from changing until this transaction ends.

        Raises:
            InvalidCredentials: one of the two is wrong.
            EmailUnverified, UserSuspended: both are right, and that is not enough.
            Overloaded: too many are waiting.
        """
        found = await self.repository.credential(rules.normalised(email))
        return await self._proven(found, password)

    async def prove(self, user_id: UUID, password: str) -> User:
        """A signed-in user who knows their password, too, kept from changing until this transaction ends.

        Raises:
            InvalidCredentials: the password is wrong.
            Overloaded: too many are waiting.
        """
        return await self._proven(await self.repository.credential_of(user_id), password)

    async def is_admin(self, *, email: str, password: str) -> bool:
        """Whether an admin could sign in with these."""
        try:
            user = await self.authenticate(email=email, password=password)
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

    async def create_admin(self, *, email: str, password: str) -> User:
        """An active, verified admin with an address that is nobody's yet.

        Raises:
            AddressTaken: it is somebody's.
            WeakPassword: it could be guessed, and it may do everything.
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

    async def _proven(self, found: CredentialRow | None, password: str) -> User:
        # Read outside the transaction: no connection is held while the password is checked.
        matches = await self.passwords.matches(password, found.password_hash if found else None)
        if found is None or not matches:
            raise InvalidCredentials
        renewed = await self.passwords.renewed(password, found.password_hash)
        user = await self.repository.locked_with(found.user_id, password_hash=found.password_hash)
        if user is None:
            # The password was changed while it was being checked.
            raise InvalidCredentials
        _refuse_inactive(user)
        if renewed:
            await self.passwords.renew(user.id, renewed)
        return user

    async def _put_admin(self, *, email: str, password_hash: str, takes_over: bool) -> User | None:
        at, address = self.clock.now(), rules.normalised(email)
        user = await self.repository.put_admin(
            user_id=new_id(), address=address, email=email, at=at, takes_over=takes_over
        )
        if user is None:
            return None
        await self.passwords.put(user.id, password_hash)
        await self.audit.record(Action.ADMIN_CREATED, subject=format_id("usr", user.id), actor=OPERATOR)
        await self.announce("user.activated", user)
        return user


def _refuse_inactive(user: User) -> None:
    if user.status == Status.PENDING:
        raise EmailUnverified
    if user.status == Status.SUSPENDED:
        raise UserSuspended
    if user.status != Status.ACTIVE:
        raise InvalidCredentials
