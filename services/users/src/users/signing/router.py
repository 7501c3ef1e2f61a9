"""Where other services find the keys that verify access tokens."""

from fastapi import Response

from core.routing import Router, public
from core.tokens.remote import MAX_AGE_S
from users.signing.dependencies import SigningKeysDep
from users.signing.schemas import Jwk, JwkSet

router = Router(prefix="/.well-known", tags=["tokens"])


@router.get("/jwks.json")
@public
async def read_jwks(keys: SigningKeysDep, response: Response) -> JwkSet:
    """The keys that verify the access tokens of this service (RFC 7517)."""
    response.headers["Cache-Control"] = f"public, max-age={MAX_AGE_S}"
    return JwkSet(keys=[Jwk.model_validate(jwk) for jwk in keys.jwks])
