"""Reading an access token: everything RFC 9068 §4 and RFC 8725 ask of a resource server, without a query."""

import re
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Annotated, Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from jwt.api_jws import PyJWS
from jwt.exceptions import PyJWTError
from pydantic import BaseModel, Field, ValidationError

from core.clock import Clock
from core.errors import InvalidToken, Unavailable
from core.ids import parse_id
from core.tokens.keys import ALGORITHM, Keys
from core.tokens.principal import LEEWAY_S_MAX, SESSION_PREFIX, Principal, parse_subject

TOKEN_CHARACTERS_MAX = 8_192
REMEMBERED_MAX = 4_096
HEADERS_MAX = 64

# Strictly three parts: PyJWT also takes padding, with which one token would have several spellings.
_COMPACT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
# RFC 9068 §4: both spellings of the media type.
_TYPES = {"at+jwt", "application/at+jwt"}
# Headers that bring a key along or change how the rest is read: nothing that a stranger wrote decides that. PyJWT
# refuses each `crit` that it does not know, and b64 is the one that it does.
_FORBIDDEN_HEADERS = {"jku", "jwk", "x5u", "x5c", "b64"}

_Text = Annotated[str, Field(min_length=1)]
# Up to the year 9999, so that each is a datetime.
_Instant = Annotated[int, Field(ge=0, le=253_402_300_799)]


class _Claims(BaseModel, frozen=True, strict=True):
    iss: str
    aud: list[str]
    sub: str
    client_id: _Text
    jti: _Text
    iat: _Instant
    exp: _Instant
    nbf: _Instant = 0
    scope: str = ""
    roles: list[str] = []
    sid: str | None = None
    auth_time: _Instant | None = None


@dataclass(frozen=True, slots=True)
class _Verified:
    principal: Principal
    kid: str
    key: EllipticCurvePublicKey
    until: datetime


class Verifier:
    """Verifies access tokens with keys that others vouch for, and remembers which it has verified.

    A token is remembered until it expires or its key is no longer the one it was verified with; a refusal never is.

    Raises:
        ValueError: the leeway is not within 0 and 60 seconds.
    """

    def __init__(
        self,
        keys: Sequence[Keys],
        *,
        issuers: Collection[str],
        audience: str,
        clock: Clock,
        leeway_s: int,
        remembered_max: int = REMEMBERED_MAX,
    ) -> None:
        if not 0 <= leeway_s <= LEEWAY_S_MAX:
            raise ValueError(f"the leeway is between 0 and {LEEWAY_S_MAX} seconds")
        self._keys = tuple(keys)
        self._issuers = frozenset(issuers)
        self._audience = audience
        self._clock = clock
        self._leeway = timedelta(seconds=leeway_s)
        self._jws = PyJWS(algorithms=[ALGORITHM])
        self._remembered: OrderedDict[bytes, _Verified] = OrderedDict()
        self._remembered_max = remembered_max
        # Of tokens that were verified, so that no stranger's is kept.
        self._headers: dict[str, str] = {}

    async def verify(self, token: str) -> Principal:
        """Who the bearer of this token is.

        Raises:
            InvalidToken: the token is not valid here and now.
            Unavailable: whoever knows the keys has not been reached even once.
        """
        if len(token) > TOKEN_CHARACTERS_MAX:
            raise _refused("its length")
        digest = sha256(token.encode(errors="replace")).digest()
        if known := self._remembered.get(digest):
            if self._clock.now() < known.until and await self._find(known.kid) is known.key:
                self._remembered.move_to_end(digest)
                return known.principal
            # Another request may have found the same meanwhile.
            self._remembered.pop(digest, None)
        if not _COMPACT.fullmatch(token):
            raise _refused("its form")
        header = token.partition(".")[0]
        # To read it costs a fourth of what verifying does, and an issuer writes the same one for each key.
        kid = self._headers.get(header) or self._kid(token)
        key = await self._find(kid)
        if key is None:
            raise _refused("its key")
        principal = self._principal(self._claims(token, key))
        if len(self._headers) >= HEADERS_MAX:
            self._headers.clear()
        self._headers[header] = kid
        self._remember(digest, _Verified(principal, kid, key, principal.expires_at + self._leeway))
        return principal

    def _kid(self, token: str) -> str:
        """The name of the key, from a header that is otherwise exactly as our issuers write it."""
        try:
            header: dict[str, Any] = self._jws.get_unverified_header(token)
        except PyJWTError as malformed:
            raise _refused("its header") from malformed
        if header.get("alg") != ALGORITHM:
            raise _refused("its algorithm")
        if str(header.get("typ")).lower() not in _TYPES:
            raise _refused("its type")
        if "kid" not in header or not _FORBIDDEN_HEADERS.isdisjoint(header):
            raise _refused("its header")
        return header["kid"]

    async def _find(self, kid: str) -> EllipticCurvePublicKey | None:
        outage: Unavailable | None = None
        for keys in self._keys:
            try:
                if (key := await keys.find(kid)) is not None:
                    return key
            # The others may still know it: a local token works while the issuer is down.
            except Unavailable as unavailable:
                outage = unavailable
        if outage is not None:
            raise outage
        return None

    def _claims(self, token: str, key: EllipticCurvePublicKey) -> _Claims:
        try:
            payload = self._jws.decode(token, key, algorithms=[ALGORITHM])
        except PyJWTError as forged:
            raise _refused("its signature") from forged
        try:
            return _Claims.model_validate_json(payload)
        except ValidationError:
            # Not chained: the error shows what it was given.
            raise _refused("its claims") from None

    def _principal(self, claims: _Claims) -> Principal:
        now = self._clock.now()
        if claims.iss not in self._issuers:
            raise _refused("its issuer")
        if self._audience not in claims.aud:
            raise _refused("its audience")
        expires_at = _instant(claims.exp)
        if now >= expires_at + self._leeway:
            raise InvalidToken("The access token has expired.")
        if _instant(max(claims.iat, claims.nbf)) > now + self._leeway:
            raise _refused("its time")
        try:
            kind, subject_id = parse_subject(claims.sub)
            session_id = None if claims.sid is None else parse_id(SESSION_PREFIX, claims.sid)
        except ValueError:
            raise _refused("its subject") from None
        if (kind == "user") != (session_id is not None) or (session_id is None) != (claims.auth_time is None):
            raise _refused("its session")
        return Principal(
            issuer=claims.iss,
            subject=claims.sub,
            id=subject_id,
            kind=kind,
            scopes=frozenset(claims.scope.split()),
            roles=frozenset(claims.roles),
            session_id=session_id,
            client_id=claims.client_id,
            auth_time=None if claims.auth_time is None else _instant(claims.auth_time),
            expires_at=expires_at,
        )

    def _remember(self, digest: bytes, verified: _Verified) -> None:
        self._remembered[digest] = verified
        if len(self._remembered) > self._remembered_max:
            self._remembered.popitem(last=False)


def _instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _refused(what: str) -> InvalidToken:
    return InvalidToken(f"The access token is not valid here: {what}.")
