"""What the token endpoint takes and answers (RFC 6749), and what it says of itself (RFC 8414)."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field

from users.clients.rules.assertions import ASSERTION_TYPE
from users.clients.rules.scopes import KNOWN
from users.clients.service import ClientToken

# Read by hand, because a parameter may not be there twice, and refused in the words of RFC 6749.
TOKEN_FORM: dict[str, Any] = {
    "type": "object",
    "required": ["grant_type"],
    "properties": {
        "grant_type": {"type": "string", "enum": ["client_credentials"]},
        "scope": {"type": "string", "description": "Separated by spaces; without it, all that the client may have."},
        "client_assertion_type": {"type": "string", "enum": [ASSERTION_TYPE]},
        "client_assertion": {
            "type": "string",
            "description": "Of a client that has a key: a JWT (RFC 7523) signed with ES256, with the client_id as iss "
            "and sub, the issuer alone as aud, an exp at most five minutes ahead, and a jti of its own.",
        },
    },
}


class TokenRead(BaseModel):
    """An access token (RFC 6749, section 5.1); without a refresh token, because the client can ask again."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the name of a scheme (RFC 6750)
    expires_in: Annotated[int, Field(description="Seconds for which the access token is valid.")]
    scope: str

    @classmethod
    def of(cls, token: ClientToken) -> Self:
        """What the API shows of a token."""
        scope = " ".join(sorted(token.scopes))
        return cls(access_token=token.access_token, expires_in=token.expires_in_s, scope=scope)


class TokenRefusal(BaseModel):
    """Why there is no token (RFC 6749, section 5.2)."""

    error: Literal["invalid_request", "invalid_client", "unsupported_grant_type", "invalid_scope"]
    error_description: str


class ServerMetadata(BaseModel):
    """What a client library asks an authorization server for (RFC 8414, section 2)."""

    issuer: str
    token_endpoint: str
    jwks_uri: str
    scopes_supported: list[str] = sorted(KNOWN)
    # Nobody is sent here to sign in. Section 2 requires the member, section 3.2 has no empty ones: it is there, because
    # libraries that miss it refuse the document.
    response_types_supported: list[str] = []
    grant_types_supported: list[str] = ["client_credentials"]
    token_endpoint_auth_methods_supported: list[str] = ["client_secret_basic", "private_key_jwt"]
    token_endpoint_auth_signing_alg_values_supported: list[str] = ["ES256"]
    service_documentation: str

    @classmethod
    def of(cls, *, issuer: str, public_url: str) -> Self:
        """The document of the server that calls itself `issuer` and is reached at `public_url`."""
        return cls(
            issuer=issuer,
            token_endpoint=f"{public_url}/v1/oauth/token",
            jwks_uri=f"{public_url}/.well-known/jwks.json",
            service_documentation=f"{public_url}/openapi.json",
        )
