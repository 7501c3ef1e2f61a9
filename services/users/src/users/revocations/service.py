"""Says whether a caller was locked out since their access token was signed."""

from dataclasses import dataclass

from core.clock import Clock
from core.tokens import Principal
from users.revocations.repository import LockoutRepository


@dataclass(frozen=True, slots=True)
class Lockouts:
    """A `Revocations` of core.tokens: a session that was ended a moment ago, or a client revoked, is seen to be.

    `local_issuer` is whom a developer's machine signs tokens for by itself: they are of no session and no client.
    """

    repository: LockoutRepository
    clock: Clock
    local_issuer: str

    async def is_revoked(self, principal: Principal) -> bool:
        """Whether the user's session, or the machine client, has ended."""
        if principal.issuer == self.local_issuer:
            return False
        if principal.session_id is None:
            return not await self.repository.is_live_client(principal.id)
        now = self.clock.now()
        return not await self.repository.is_live_session(principal.session_id, user_id=principal.id, now=now)
