"""Signs people in, keeps them signed in, and ends that at once when asked to or when a token was stolen."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from core.clock import Clock
from core.errors import NotFound, Unauthenticated
from core.events import Events
from core.ids import format_id, new_id
from users.accounts.models import Status
from users.accounts.rules import scopes_of
from users.accounts.service import Accounts
from users.audit.models import Action
from users.audit.service import ANONYMOUS, SYSTEM, Audit
from users.sessions.announcements import SessionEnded
from users.sessions.models import UserSession
from users.sessions.repository import SessionRepository, SessionRow
from users.sessions.rules import Origin, RefreshToken, Verdict, verdict
from users.settings import SessionSettings
from users.signing.service import AccessTokens

# In one transaction of the job that forgets sessions.
FORGOTTEN_MAX = 1_000


class InvalidRefreshToken(Unauthenticated):
    """The refresh token is none of ours, or its session has ended."""

    code = "invalid_refresh_token"


class RefreshTokenReused(Unauthenticated):
    """The refresh token was used before; its session has been ended, because somebody else may have a copy."""

    code = "refresh_token_reused"
    # What makes it safe is the revocation, which must outlive the refusal.
    keeps_changes = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A session, and the tokens that its owner gets for it."""

    session: UserSession
    access_token: str = field(repr=False)
    expires_in_s: int
    refresh_token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sessions:
    """Sessions of people; a request's worth: it writes in one transaction."""

    repository: SessionRepository
    accounts: Accounts
    access_tokens: AccessTokens
    audit: Audit
    events: Events
    clock: Clock
    settings: SessionSettings
    secret: str = field(repr=False)

    async def start(self, *, email: str, password: str, device_name: str | None, origin: Origin) -> Grant:
        """Signs somebody in.

        Raises:
            InvalidCredentials, EmailUnverified, UserSuspended, Overloaded: as Accounts.authenticate says.
        """
        user = await self.accounts.authenticate(email=email, password=password)
        now = self.clock.now()
        session = UserSession(
            id=new_id(),
            user_id=user.id,
            refresh_counter=0,
            rotated_at=now,
            created_at=now,
            idle_expires_at=now + timedelta(days=self.settings.idle_days),
            expires_at=now + timedelta(days=self.settings.absolute_days),
            revoked_at=None,
            device_name=device_name,
            user_agent=origin.user_agent,
            ip=origin.ip,
        )
        await self.repository.add(session)
        await self._record(Action.SESSION_STARTED, session.id, actor=format_id("usr", user.id))
        return self._grant(session, roles=user.roles)

    async def refresh(self, refresh_token: str) -> Grant:
        """Gives the next pair of tokens for the current refresh token.

        Raises:
            InvalidRefreshToken: it is none, or its session is over.
            RefreshTokenReused: it was current once; the session is over now, and stays so.
        """
        shown = RefreshToken.parse(refresh_token, secret=self.secret)
        session = None if shown is None else await self.repository.locked(shown.session_id)
        now = self.clock.now()
        if shown is None or session is None or not _is_live(session, now):
            raise InvalidRefreshToken
        user = await self.accounts.get(session.user_id)
        if user.status != Status.ACTIVE:
            raise InvalidRefreshToken
        leeway = timedelta(seconds=self.settings.refresh_leeway_s)
        current, rotated_at = session.refresh_counter, session.rotated_at
        match verdict(shown=shown.counter, current=current, rotated_at=rotated_at, now=now, leeway=leeway):
            case Verdict.REUSED:
                await self._record(Action.REFRESH_TOKEN_REUSED, session.id, actor=ANONYMOUS)
                await self._revoke(user.id, actor=SYSTEM, session_id=session.id)
                raise RefreshTokenReused
            case Verdict.ROTATE:
                idle_expires_at = min(now + timedelta(days=self.settings.idle_days), session.expires_at)
                await self.repository.rotate(session, at=now, idle_expires_at=idle_expires_at)
            case Verdict.REPEAT:
                # The current token once more: whoever else was faster has it too.
                pass
        return self._grant(session, roles=user.roles)

    async def page(self, user_id: UUID, *, after: tuple[datetime, UUID] | None, limit: int) -> list[SessionRow]:
        """The live sessions of a user, the oldest first, and one more than `limit` if there are more."""
        return await self.repository.live_of(user_id, now=self.clock.now(), after=after, limit=limit)

    async def revoke(self, session_id: UUID, *, user_id: UUID) -> None:
        """Ends one of the caller's own sessions.

        Raises:
            NotFound: there is no such live session of this user.
        """
        if not await self._revoke(user_id, actor=format_id("usr", user_id), session_id=session_id):
            raise NotFound("There is no such session.")

    async def revoke_others(self, session_id: UUID, *, user_id: UUID, password: str) -> int:
        """Ends every session of the caller but this one, for who knows the password, too; says how many.

        Raises:
            InvalidCredentials, Overloaded: as Accounts.prove says.
        """
        user = await self.accounts.prove(user_id, password)
        return await self.revoke_all(user.id, actor=format_id("usr", user.id), but=session_id)

    async def revoke_all(self, user_id: UUID, *, actor: str, but: UUID | None = None) -> int:
        """Ends every session of a user, who is locked, or every one but one; says how many."""
        return await self._revoke(user_id, actor=actor, but=but)

    async def forget_ended(self) -> bool:
        """Deletes sessions that are kept no longer; whether there may be more of them."""
        before = self.clock.now() - timedelta(days=self.settings.kept_days)
        return await self.repository.discard_ended(before=before, limit=FORGOTTEN_MAX) >= FORGOTTEN_MAX

    async def count_ended(self) -> int:
        """How many sessions were ended that access tokens may still be shown of."""
        return await self.repository.count_ended(since=self._oldest_token_at())

    async def retell(self, *, after: UUID | None, limit: int) -> Sequence[UUID]:
        """Tells the next of them again; their ids, in order."""
        ended = await self.repository.ended(since=self._oldest_token_at(), after=after, limit=limit)
        await self._announce(ended)
        return [session.id for session in ended]

    async def _revoke(
        self, user_id: UUID, *, actor: str, session_id: UUID | None = None, but: UUID | None = None
    ) -> int:
        now = self.clock.now()
        ended = await self.repository.revoke(user_id=user_id, session_id=session_id, but=but, now=now)
        await self._announce(ended)
        for session in ended:
            await self._record(Action.SESSION_REVOKED, session.id, actor=actor)
        return len(ended)

    async def _record(self, action: Action, session_id: UUID, *, actor: str) -> None:
        await self.audit.record(action, subject=format_id("ses", session_id), actor=actor)

    def _oldest_token_at(self) -> datetime:
        return self.clock.now() - timedelta(seconds=self.settings.access_token_lifetime_s)

    def _grant(self, session: UserSession, *, roles: list[str]) -> Grant:
        return Grant(
            session=session,
            access_token=self.access_tokens.sign(
                user_id=session.user_id,
                session_id=session.id,
                roles=roles,
                scopes=scopes_of(roles),
                auth_time=session.created_at,
            ),
            expires_in_s=self.settings.access_token_lifetime_s,
            refresh_token=RefreshToken(session.id, session.refresh_counter).text(secret=self.secret),
        )

    async def _announce(self, ended: Iterable[UserSession]) -> None:
        for session in ended:
            assert session.revoked_at is not None  # noqa: S101 - it has ended
            state = SessionEnded(
                id=format_id("ses", session.id),
                revoked_at=session.revoked_at,
                access_token_lifetime_s=self.settings.access_token_lifetime_s,
            )
            sequence = session.refresh_counter + 1
            await self.events.emit("session.revoked", subject=state.id, sequence=sequence, data=state)


def _is_live(session: UserSession, now: datetime) -> bool:
    return session.revoked_at is None and now < session.idle_expires_at
