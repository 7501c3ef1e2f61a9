"""Signs access tokens."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from core.clock import Clock
from core.ids import format_id
from core.tokens.signing import sign_access_token
from users.signing.service.keys import SigningKeys

# RFC 9068, section 2.2, requires the claim; a person who signs in with a password does so through our own client.
FIRST_PARTY_CLIENT = "first-party"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessTokens:
    """Signs access tokens; `clock` is the system's, by which every service verifies them."""

    keys: SigningKeys
    issuer: str
    audience: str
    lifetime: timedelta
    clock: Clock

    def sign(
        self, *, user_id: UUID, session_id: UUID, roles: Iterable[str], scopes: Iterable[str], auth_time: datetime
    ) -> str:
        """A token for one session of one user.

        Raises:
            Unavailable: it is not sure which key signs.
        """
        kid, private = self.keys.signer()
        return sign_access_token(
            key=private,
            kid=kid,
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

    def sign_for_client(self, client_id: str, *, scopes: Iterable[str]) -> str:
        """A token for a machine client (`svc_…`), who has neither session nor roles.

        Raises:
            Unavailable: it is not sure which key signs.
        """
        kid, private = self.keys.signer()
        return sign_access_token(
            key=private,
            kid=kid,
            issuer=self.issuer,
            audience=[self.audience],
            subject=client_id,
            client_id=client_id,
            session_id=None,
            scopes=scopes,
            roles=(),
            auth_time=None,
            now=self.clock.now(),
            lifetime=self.lifetime,
        )
