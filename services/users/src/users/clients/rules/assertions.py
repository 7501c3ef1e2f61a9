"""The assertion by which a machine client proves that it has its private key (RFC 7523, `private_key_jwt`)."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from typing import Annotated, Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from jwt.api_jws import PyJWS
from jwt.exceptions import PyJWTError
from pydantic import BaseModel, Field, ValidationError

from core.tokens.keys import ALGORITHM, generate_key

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
# Enough for the way from the client to here: one that is stolen on it is soon worth nothing.
LIFETIME_MAX = timedelta(minutes=5)

# None, the general one, or the one that draft-ietf-oauth-rfc7523bis registers: a JWT that says it is something else
# (`at+jwt`) is no assertion (RFC 8725, section 3.11).
_TYPES = {"jwt", "client-authentication+jwt", "application/client-authentication+jwt"}

_Text = Annotated[str, Field(min_length=1)]
# RFC 7519, section 2, NumericDate: with fractions if they like; up to the year 9999, so that each is a datetime.
_Instant = Annotated[float, Field(ge=0, le=253_402_300_799, allow_inf_nan=False)]


class Claims(BaseModel, frozen=True, strict=True):
    """What an assertion says; nothing of it is believed before its signature is."""

    iss: _Text
    sub: _Text
    aud: str | list[str]
    exp: _Instant
    jti: _Text
    iat: _Instant = 0
    nbf: _Instant = 0

    @property
    def expires_at(self) -> datetime:
        """When it stops being good."""
        return datetime.fromtimestamp(self.exp, UTC)

    @property
    def jti_digest(self) -> bytes:
        """Its name, in a length that a table can hold."""
        return sha256(self.jti.encode()).digest()

    def fault(self, *, issuer: str, now: datetime, leeway: timedelta) -> str | None:
        """What is wrong with it, for the client that has signed it."""
        # draft-ietf-oauth-rfc7523bis, section 4: this issuer and nobody else. By RFC 7523 the URL of the token endpoint
        # would do, too; a server that names ours as its own token endpoint could then have a client sign for it, and
        # use that here.
        if self.aud not in (issuer, [issuer]):
            return f"aud is not {issuer} alone"
        if self.iss != self.sub:
            return "iss and sub are not the same client"
        if self.expires_at <= now - leeway:
            return "it has expired"
        if self.expires_at > now + LIFETIME_MAX + leeway:
            return f"exp is more than {LIFETIME_MAX.seconds} seconds ahead"
        if datetime.fromtimestamp(max(self.iat, self.nbf), UTC) > now + leeway:
            return "iat or nbf is yet to come"
        return None


@dataclass(frozen=True, slots=True)
class Assertion:
    """An assertion as it was shown."""

    claims: Claims
    text: str = field(repr=False)

    @property
    def client_id(self) -> str:
        """The client that it is said to be of."""
        return self.claims.sub

    @classmethod
    def of(cls, text: str) -> "Assertion | None":
        """The assertion that a text is, unverified; None if it is none."""
        try:
            parts = _jws().decode_complete(text, options={"verify_signature": False})
            claims = Claims.model_validate_json(parts["payload"])
        except (PyJWTError, ValidationError):
            return None
        return cls(claims, text) if _is_plain(parts["header"]) else None

    def is_signed_by(self, key: EllipticCurvePublicKey | None) -> bool:
        """Whether the owner of this key has written it; for None nobody has, which takes as long to find out."""
        try:
            _jws().decode(self.text, key or _nobodys_key(), algorithms=[ALGORITHM])
        except PyJWTError:
            return False
        return True


def _is_plain(header: dict[str, Any]) -> bool:
    # `jku`, `x5u` and their like are passed over: the key is always the one that was registered.
    return header.get("alg") == ALGORITHM and str(header.get("typ", "JWT")).lower() in _TYPES


@cache
def _jws() -> PyJWS:
    return PyJWS(algorithms=[ALGORITHM])


@cache
def _nobodys_key() -> EllipticCurvePublicKey:
    return generate_key().public_key()
