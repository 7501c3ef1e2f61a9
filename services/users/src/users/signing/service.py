"""Signs access tokens, and publishes the keys that verify them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

from core.clock import Clock
from core.ids import format_id
from core.tokens import generate_key, key_id, open_key, public_jwk, public_keys, seal_key, sign_access_token
from users.signing.repository import SigningKeyRepository

# RFC 9068, section 2.2, requires the claim; a person who signs in with a password does so through our own client.
FIRST_PARTY_CLIENT = "first-party"


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
