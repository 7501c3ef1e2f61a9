"""Where other services find the keys that verify access tokens."""

from fastapi import Response

from core.routing import Router
from users.signing.dependencies import SigningKeysDep
from users.signing.schemas import Jwk, JwkSet

router = Router(prefix="/.well-known", tags=["tokens"])

# Core's verifiers keep a key set for as long, and ask again at once for a key that they do not know.
MAX_AGE_S = 300


@router.get("/jwks.json")
async def read_jwks(keys: SigningKeysDep, response: Response) -> JwkSet:
    """The keys that verify the access tokens of this service (RFC 7517)."""
    response.headers["Cache-Control"] = f"public, max-age={MAX_AGE_S}"
    return JwkSet(keys=[Jwk.model_validate(jwk) for jwk in keys.jwks])
