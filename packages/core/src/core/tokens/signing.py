"""Writing an access token: a JWT of type `at+jwt` (RFC 9068 §2)."""

import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from core.ids import format_id
from core.tokens.keys import ALGORITHM
from core.tokens.principal import SESSION_PREFIX, parse_subject

TYPE = "at+jwt"
TOKEN_ID_BYTES = 16


def sign_access_token(
    *,
    key: EllipticCurvePrivateKey,
    kid: str,
    issuer: str,
    audience: Sequence[str],
    subject: str,
    client_id: str,
    session_id: UUID | None,
    scopes: Iterable[str],
    roles: Iterable[str],
    auth_time: datetime | None,
    now: datetime,
    lifetime: timedelta,
) -> str:
    """An ES256 token for `subject` (`usr_…` with a session and an `auth_time`, or `svc_…` with neither).

    Raises:
        ValueError: subject and session do not fit, or a scope is not one word.
    """
    kind, _ = parse_subject(subject)
    if (kind == "user") != (session_id is not None) or (session_id is None) != (auth_time is None):
        raise ValueError("a user's token names a session and its auth_time, a service's neither")
    granted = sorted(set(scopes))
    if any(len(scope.split()) != 1 for scope in granted):
        raise ValueError("a scope is one word")
    issued_at = int(now.timestamp())
    claims: dict[str, object] = {
        "iss": issuer,
        "aud": [audience] if isinstance(audience, str) else list(audience),
        "sub": subject,
        "client_id": client_id,
        "iat": issued_at,
        "exp": issued_at + int(lifetime.total_seconds()),
        "jti": secrets.token_urlsafe(TOKEN_ID_BYTES),
        "scope": " ".join(granted),
        "roles": sorted(set(roles)),
    }
    if session_id is not None and auth_time is not None:
        claims |= {"sid": format_id(SESSION_PREFIX, session_id), "auth_time": int(auth_time.timestamp())}
    return jwt.encode(claims, key, algorithm=ALGORITHM, headers={"kid": kid, "typ": TYPE})
