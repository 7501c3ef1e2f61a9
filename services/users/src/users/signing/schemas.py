"""The key set as RFC 7517 writes it."""

from typing import Literal

from pydantic import BaseModel


class Jwk(BaseModel):
    """The public half of an ES256 key (RFC 7518, section 6.2.1)."""

    kty: Literal["EC"]
    crv: Literal["P-256"]
    x: str
    y: str
    kid: str
    use: Literal["sig"]
    alg: Literal["ES256"]


class JwkSet(BaseModel):
    """The keys that verify access tokens (RFC 7517, section 5)."""

    keys: list[Jwk]
