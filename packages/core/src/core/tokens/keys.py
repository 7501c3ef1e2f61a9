"""Signing keys as data: P-256 (ES256, RFC 7518), their public form (RFC 7517) and their names (RFC 7638)."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from jwt.algorithms import ECAlgorithm
from jwt.exceptions import InvalidKeyError

ALGORITHM = "ES256"


class Keys(Protocol):
    """Whoever vouches for public keys."""

    async def find(self, kid: str) -> EllipticCurvePublicKey | None:
        """The key of that name, or None.

        A key that is still the same should be given as the same object: a verified token is remembered with its key.
        """
        ...


def generate_key() -> EllipticCurvePrivateKey:
    """A new key on P-256, the one curve of ES256."""
    return generate_private_key(SECP256R1())


def public_jwk(key: EllipticCurvePrivateKey | EllipticCurvePublicKey) -> dict[str, str]:
    """The public half, ready for a JWK set; never the private one."""
    members = _public_members(key)
    return {**members, "kid": _thumbprint(members), "use": "sig", "alg": ALGORITHM}


def key_id(key: EllipticCurvePrivateKey | EllipticCurvePublicKey) -> str:
    """The `kid` of a key: its SHA-256 thumbprint (RFC 7638), the same wherever it is computed."""
    return _thumbprint(_public_members(key))


def public_keys(jwk_set: object) -> dict[str, EllipticCurvePublicKey]:
    """The ES256 keys of a JWK set, by `kid`; anything else in it is passed over (RFC 7517 §5).

    Raises:
        ValueError: this is no JWK set, or there is no such key in it.
    """
    listed = jwk_set.get("keys") if isinstance(jwk_set, Mapping) else None
    if not isinstance(listed, list):
        raise ValueError("not a JWK set")  # noqa: TRY004 - the content is wrong, not the call
    found = {jwk["kid"]: key for jwk in listed if (key := _public_key(jwk)) is not None}
    if not found:
        raise ValueError("the JWK set has no ES256 key")
    return found


def _public_members(key: EllipticCurvePrivateKey | EllipticCurvePublicKey) -> dict[str, str]:
    """The required members of the public key, in the lexicographic order that RFC 7638 §3.2 wants."""
    public = key.public_key() if isinstance(key, EllipticCurvePrivateKey) else key
    jwk = ECAlgorithm.to_jwk(public, as_dict=True)
    return {member: jwk[member] for member in ("crv", "kty", "x", "y")}


def _thumbprint(members: Mapping[str, str]) -> str:
    digest = sha256(json.dumps(members, separators=(",", ":")).encode()).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


def _public_key(jwk: Any) -> EllipticCurvePublicKey | None:
    """The key of one entry, if it is a signing key for ES256 with a name and a point on the curve."""
    if not isinstance(jwk, Mapping) or not isinstance(jwk.get("kid"), str):
        return None
    if (jwk.get("kty"), jwk.get("crv")) != ("EC", "P-256"):
        return None
    if jwk.get("use", "sig") != "sig" or jwk.get("alg", ALGORITHM) != ALGORITHM:
        return None
    try:
        # Only the public members: a private one that was published by mistake is not taken in.
        key = ECAlgorithm.from_jwk({member: jwk.get(member) for member in ("kty", "crv", "x", "y")})
    except (InvalidKeyError, ValueError, TypeError):
        return None
    return key if isinstance(key, EllipticCurvePublicKey) else None
