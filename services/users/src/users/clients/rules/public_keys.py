"""The public key that a machine client registers, out of a file that somebody has chosen."""

import json

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from core.tokens.keys import public_jwk, public_keys

# RFC 7518, sections 6.2.2, 6.3.2 and 6.4: the members that only a private or a symmetric key has.
_PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
NEITHER = "it is neither a public key on P-256 in PEM nor one as a JWK"
PRIVATE = (
    "it is a private key, which is for the client alone: nothing of it was kept, and if others could read the file, "
    "make another one"
)


def public_jwk_of(text: str) -> dict[str, str]:
    """The P-256 key of a PEM (`BEGIN PUBLIC KEY`) or a JWK (RFC 7517).

    Raises:
        ValueError: it is none; the text says so in words that go on from the name of a file.
    """
    if "PRIVATE KEY" in text:
        raise ValueError(PRIVATE)
    return public_jwk(_of_jwk(text) if text.lstrip().startswith("{") else _of_pem(text))


def public_key_of(jwk: dict[str, str]) -> EllipticCurvePublicKey:
    """The key that was registered as this JWK."""
    return public_keys({"keys": [jwk]})[jwk["kid"]]


def _of_pem(text: str) -> EllipticCurvePublicKey:
    try:
        key = load_pem_public_key(text.encode(errors="replace"))
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError(NEITHER) from None
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise ValueError(NEITHER)  # noqa: TRY004 - the content is wrong, not the call
    return key


def _of_jwk(text: str) -> EllipticCurvePublicKey:
    try:
        jwk = json.loads(text)
    # The latter is what becomes of too many brackets.
    except (ValueError, RecursionError):
        raise ValueError(NEITHER) from None
    if not _PRIVATE_MEMBERS.isdisjoint(jwk):
        raise ValueError(PRIVATE)
    try:
        # The name that it gives itself is of no matter: the key is named by its thumbprint.
        return public_keys({"keys": [jwk | {"kid": ""}]})[""]
    except ValueError:
        raise ValueError(NEITHER) from None
