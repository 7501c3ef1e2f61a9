"""Signs access tokens, publishes the keys that verify them, and issues tokens that work once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

from core.clock import Clock
from core.errors import BadRequest
from core.ids import format_id, new_id
from core.tokens import generate_key, key_id, open_key, public_jwk, public_keys, seal_key, sign_access_token
from users.tokens.models import Purpose
from users.tokens.repository import OneTimeTokenRepository, SigningKeyRepository
from users.tokens.rules import digest_of, one_time_token

# RFC 9068, section 2.2, requires the claim; a person who signs in with a password does so through our own client.
FIRST_PARTY_CLIENT = "first-party"


class InvalidOrExpiredToken(BadRequest):
    """The token is unknown, was used or replaced, or has expired.

    One code for all of these: which one it is, is nobody's business who does not hold the token.
    """

    code = "invalid_or_expired_token"


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """The key that signs, and every key that verifies; a `Keys` of core.tokens."""

    kid: str
    private: EllipticCurvePrivateKey = field(repr=False)
    jwks: tuple[dict[str, Any], ...]
    public: Mapping[str, EllipticCurvePublicKey]

    async def find(self, kid: str) -> EllipticCurvePublicKey | None:
        """The public key of that name, or None."""
        return self.public.get(kid)


async def load_signing_keys(repository: SigningKeyRepository, *, secret: str, clock: Clock) -> SigningKeys:
    """The keys of this service; the very first start makes one.

    Raises:
        ValueError: the keys were sealed with another secret than this one.
    """
    keys = await repository.all()
    if not any(key.state == "active" for key in keys):
        private = generate_key()
        kid = key_id(private)
        sealed = seal_key(private, kid=kid, secret=secret)
        await repository.add_active(kid=kid, public_jwk=public_jwk(private), sealed_private=sealed, at=clock.now())
        # Another replica may have been first: whichever key is there now is the one.
        keys = await repository.all()
    active = next(key for key in keys if key.state == "active")
    jwks = tuple(key.public_jwk for key in keys)
    private = open_key(active.sealed_private, kid=active.kid, secret=secret)
    return SigningKeys(active.kid, private, jwks, public_keys({"keys": list(jwks)}))


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessTokens:
    """Signs access tokens for users; `clock` is the system's, by which every service verifies them."""

    keys: SigningKeys
    issuer: str
    audience: str
    lifetime: timedelta
    clock: Clock

    def sign(
        self, *, user_id: UUID, session_id: UUID, roles: Iterable[str], scopes: Iterable[str], auth_time: datetime
    ) -> str:
        """A token for one session of one user."""
        return sign_access_token(
            key=self.keys.private,
            kid=self.keys.kid,
            issuer=self.issuer,
            audience=[self.audience],
            subject=format_id("usr", user_id),
            client_id=FIRST_PARTY_CLIENT,
            session_id=session_id,
            scopes=scopes,
            roles=roles,
            auth_time=auth_time,
            now=self.clock.now(),
            lifetime=self.lifetime,
        )


@dataclass(frozen=True, slots=True)
class OneTimeTokens:
    """Tokens that prove that somebody reads the mail of an address."""

    repository: OneTimeTokenRepository
    key: bytes = field(repr=False)
    clock: Clock

    async def issue(self, user_id: UUID, *, purpose: Purpose, lifetime: timedelta) -> UUID:
        """Issues a token, which ends an older one of that purpose; gives its id, of which `text_of` makes it."""
        token_id, now = new_id(), self.clock.now()
        await self.repository.replace(
            token_id=token_id,
            user_id=user_id,
            purpose=purpose,
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

    async def user_of(self, token: str, *, purpose: Purpose) -> UUID:
        """The user who has shown this token; `redeem` it in the same transaction, after locking the user.

        Raises:
            InvalidOrExpiredToken: it is not, or no longer, one of this purpose.
        """
        user_id = await self.repository.user_of(digest_of(token), purpose=purpose, now=self.clock.now())
        if user_id is None:
            raise InvalidOrExpiredToken
        return user_id

    async def redeem(self, token: str) -> None:
        """Uses a token up.

        Raises:
            InvalidOrExpiredToken: it was used or replaced since `user_of` found it.
        """
        if not await self.repository.take(digest_of(token)):
            raise InvalidOrExpiredToken

    async def holder(self, token_id: UUID) -> UUID | None:
        """Whose token this is; None if it is none, or no longer one."""
        return await self.repository.holder(token_id)

    def text_of(self, token_id: UUID) -> str:
        """The token itself, which only the mail to its holder shows."""
        return one_time_token(token_id, key=self.key)
