"""Issues tokens that prove that somebody reads the mail of an address, and takes each of them once."""

from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from core.clock import Clock
from core.errors import BadRequest
from core.ids import new_id
from users.one_time_tokens.models import Purpose
from users.one_time_tokens.repository import OneTimeTokenRepository, Shown
from users.one_time_tokens.rules import digest_of, one_time_token


class InvalidOrExpiredToken(BadRequest):
    """The token is unknown, was used or replaced, or has expired.

    One code for all of these: which one it is, is nobody's business who does not hold the token.
    """

    code = "invalid_or_expired_token"


@dataclass(frozen=True, slots=True)
class OneTimeTokens:
    """The one-time tokens, in one transaction."""

    repository: OneTimeTokenRepository
    key: bytes = field(repr=False)
    clock: Clock

    async def issue(
        self, user_id: UUID, *, purpose: Purpose, lifetime: timedelta, new_email: str | None = None
    ) -> UUID:
        """Issues a token, which ends an older one of that purpose; gives its id, of which `text_of` makes it."""
        token_id, now = new_id(), self.clock.now()
        await self.repository.replace(
            token_id=token_id,
            user_id=user_id,
            purpose=purpose,
            new_email=new_email,
            digest=digest_of(self.text_of(token_id)),
            now=now,
            expires_at=now + lifetime,
        )
        return token_id

    async def issue_to_nobody(self) -> UUID:
        """The work of `issue`, and the id of no token: how long a request takes must not tell who is registered."""
        token_id = new_id()
        digest_of(self.text_of(token_id))
        await self.repository.discard(token_id)
        return token_id

    async def shown(self, token: str, *, purpose: Purpose) -> Shown:
        """Whose token was shown, read outside the transaction; `redeem` it within, after locking the user.

        Raises:
            InvalidOrExpiredToken: it is not, or no longer, one of this purpose.
        """
        shown = await self.repository.shown(digest_of(token), purpose=purpose, now=self.clock.now())
        if shown is None:
            raise InvalidOrExpiredToken
        return shown

    async def redeem(self, token: str) -> None:
        """Uses a token up.

        Raises:
            InvalidOrExpiredToken: it was used or replaced since it was `shown`.
        """
        if not await self.repository.take(digest_of(token), now=self.clock.now()):
            raise InvalidOrExpiredToken

    async def revoke(self, user_id: UUID, *purposes: Purpose) -> None:
        """Ends what a user was sent for these purposes."""
        await self.repository.discard_all(user_id, *purposes)

    async def holder(self, token_id: UUID) -> Shown | None:
        """Whose token this is; None if it is none, or no longer one."""
        return await self.repository.holder(token_id)

    def text_of(self, token_id: UUID) -> str:
        """The token itself, which only the mail to its holder shows."""
        return one_time_token(token_id, key=self.key)
