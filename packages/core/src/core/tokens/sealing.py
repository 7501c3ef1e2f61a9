"""Secrets made of the service's one secret: derived keys, and private keys that rest encrypted in a table."""

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
)

# NIST SP 800-38D §8.2: 96 bits, drawn anew for each message.
NONCE_BYTES = 12
PURPOSE = "core.tokens signing key v1"


def derive_key(secret: str, purpose: str, length: int = 32) -> bytes:
    """A key of `length` bytes for one purpose (HKDF-SHA256, RFC 5869): keys of two purposes say nothing of each other.

    Raises:
        ValueError: the secret or the purpose is empty, or `length` is not within 1 and 8160.
    """
    if not secret or not purpose:
        raise ValueError("a key is derived from a secret, for a purpose")
    return HKDF(SHA256(), length, salt=None, info=purpose.encode()).derive(secret.encode())


def seal_key(key: EllipticCurvePrivateKey, *, kid: str, secret: str) -> str:
    """The private key as text for a table: AES-256-GCM under a key derived from `secret`, bound to `kid`."""
    plain = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    nonce = secrets.token_bytes(NONCE_BYTES)
    sealed = nonce + AESGCM(derive_key(secret, PURPOSE)).encrypt(nonce, plain, kid.encode())
    return urlsafe_b64encode(sealed).decode()


def open_key(sealed: str, *, kid: str, secret: str) -> EllipticCurvePrivateKey:
    """What `seal_key` sealed.

    Raises:
        ValueError: it was sealed with another secret or for another `kid`, or has been changed since.
    """
    try:
        raw = urlsafe_b64decode(sealed)
        plain = AESGCM(derive_key(secret, PURPOSE)).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], kid.encode())
    except (InvalidTag, ValueError):
        raise ValueError("this key was sealed with another secret, for another kid, or has been changed") from None
    return _elliptic(load_der_private_key(plain, password=None))


def key_to_pem(key: EllipticCurvePrivateKey) -> bytes:
    """The private key in clear, for a file that only its owner reads."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def key_from_pem(pem: bytes) -> EllipticCurvePrivateKey:
    """What `key_to_pem` wrote.

    Raises:
        ValueError: it is no such key.
    """
    return _elliptic(load_pem_private_key(pem, password=None))


def _elliptic(key: object) -> EllipticCurvePrivateKey:
    if not isinstance(key, EllipticCurvePrivateKey):
        raise ValueError("not an elliptic curve key")  # noqa: TRY004 - the content is wrong, not the call
    return key
