"""How a one-time token is made from its id."""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from uuid import UUID


def one_time_token(token_id: UUID, *, key: bytes) -> str:
    """256 bits that only the holder of `key` can compute, so that no table, event or log needs to hold them."""
    return urlsafe_b64encode(hmac.digest(key, token_id.bytes, hashlib.sha256)).rstrip(b"=").decode()


def digest_of(token: str) -> bytes:
    """What is stored of a token."""
    return hashlib.sha256(token.encode()).digest()
