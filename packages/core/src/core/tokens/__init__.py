"""Access tokens (RFC 9068): who signs them, who vouches for the keys, and what a service learns from one."""

from core.tokens.keys import Keys, generate_key, key_id, public_jwk, public_keys
from core.tokens.local import LocalKey
from core.tokens.principal import Principal
from core.tokens.remote import RemoteKeys
from core.tokens.revocations import NothingRevoked, Revocations
from core.tokens.sealing import derive_key, open_key, seal_key
from core.tokens.signing import sign_access_token
from core.tokens.verifier import Verifier

__all__ = [
    "Keys",
    "LocalKey",
    "NothingRevoked",
    "Principal",
    "RemoteKeys",
    "Revocations",
    "Verifier",
    "derive_key",
    "generate_key",
    "key_id",
    "open_key",
    "public_jwk",
    "public_keys",
    "seal_key",
    "sign_access_token",
]
