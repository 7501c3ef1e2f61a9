"""Changes what other people may do, ends their sessions, and has them sent a way back in."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from core.errors import Conflict
from core.ids import format_id
from core.web.etags import Preconditions
from users.accounts.models import Role, Status, User
from users.accounts.service import Accounts
from users.administration.rules import SETTLED, Standing
from users.audit.models import Action
from users.audit.service import Audit
from users.recovery.service import Recovery
from users.sessions.service import Sessions


class UserUnsettled(Conflict):
    """The user has not confirmed their address yet, or is leaving, and cannot be changed."""

    code = "user_unsettled"


class UserCannotSignIn(Conflict):
    """The user is not active, and no password would let them in."""

    code = "user_cannot_sign_in"


@dataclass(frozen=True, slots=True, kw_only=True)
class Administration:
    """What is done to other people's accounts; a request's worth: it writes in one transaction."""

    accounts: Accounts
    sessions: Sessions
    recovery: Recovery
    audit: Audit

    async def change(
        self,
        user_id: UUID,
        *,
        actor: str,
        expected: Preconditions,
        roles: Collection[str] | None = None,
        status: str | None = None,
    ) -> User:
        """Gives a user other roles, suspends or reinstates them; what takes something from them ends their sessions.

        An access token has the roles of the instant at which it was made: without its session it is refused at once.

        Raises:
            NotFound: there is no such user.
            PreconditionRequired, PreconditionFailed: as Preconditions.check says.
            UserUnsettled: they are neither active nor suspended.
            LastAdmin: nobody could undo it.
        """
        user = await self.accounts.locked(user_id)
        expected.check(user.version)
        _refuse_unsettled(user)
        before = Standing.of(status=user.status, roles=user.roles)
        after = Standing.of(status=status or user.status, roles=roles or user.roles)
        if after == before:
            return user
        if not after.is_active_admin:
            await self.accounts.refuse_last_admin(user)
        ordered = [role for role in Role if role in after.roles]
        user = await self.accounts.change(user, status=after.status, roles=ordered)
        if after.allows_less_than(before):
            await self.sessions.revoke_all(user.id, actor=actor)
        await self._tell(user, before=before, after=after, actor=actor)
        return user

    async def send_password_reset(self, user_id: UUID, *, actor: str) -> None:
        """Sends a user the token with which they choose a new password: nobody else sees or sets it (ASVS 5.0, 6.4.6).

        Raises:
            NotFound: there is no such user.
            UserCannotSignIn: they are not active.
        """
        user = await self.accounts.locked(user_id)
        if user.status != Status.ACTIVE:
            raise UserCannotSignIn
        await self.recovery.send(user.id, actor=actor)

    async def revoke_sessions(self, user_id: UUID, *, actor: str) -> None:
        """Ends every session of a user.

        Raises:
            NotFound: there is no such user.
        """
        # Locked: a sign-in that has seen the password by now ends before or begins after.
        user = await self.accounts.locked(user_id)
        await self.sessions.revoke_all(user.id, actor=actor)

    async def _tell(self, user: User, *, before: Standing, after: Standing, actor: str) -> None:
        subject = format_id("usr", user.id)
        if after.roles != before.roles:
            given, taken = sorted(after.roles - before.roles), sorted(before.roles - after.roles)
            await self.audit.record(Action.USER_ROLES_CHANGED, subject=subject, actor=actor, given=given, taken=taken)
        if after.status == before.status:
            return
        suspended = after.status == Status.SUSPENDED
        action = Action.USER_SUSPENDED if suspended else Action.USER_REINSTATED
        await self.audit.record(action, subject=subject, actor=actor)
        await self.accounts.announce("user.suspended" if suspended else "user.updated", user)


def _refuse_unsettled(user: User) -> None:
    if user.status not in SETTLED:
        raise UserUnsettled
