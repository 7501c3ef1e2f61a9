"""Where machine clients get access tokens, and where libraries learn how (OAuth 2.0)."""

from fastapi import Depends, Request, Response
from fastapi.responses import JSONResponse

from core.dependencies import SettingsDep, limited
from core.routing import Router, public
from core.web.body_limits import KIB, body_max
from users.clients.dependencies import ClientTokensDep, TokenRequestDep
from users.clients.rules.forms import MEDIA_TYPE
from users.clients.schemas import TOKEN_FORM, ServerMetadata, TokenRead, TokenRefusal
from users.clients.service import InvalidClient, TokenRefused

oauth = Router(prefix="/v1/oauth", tags=["oauth"])
discovery = Router(prefix="/.well-known", tags=["oauth"])

# RFC 6749, section 5.1: both, on whatever is answered.
NOT_STORED = {"Cache-Control": "no-store", "Pragma": "no-cache"}
# RFC 7617, section 2: a challenge has a realm.
CHALLENGE = {"WWW-Authenticate": 'Basic realm="oauth"'}
# As long as the keys: whoever has read one of the two has read the other.
MAX_AGE_S = 300
BODY_MAX_BYTES = 16 * KIB


@oauth.post(
    "/token",
    dependencies=[Depends(limited(lambda settings: settings.limits.client_tokens))],
    responses={status: {"model": TokenRefusal} for status in (400, 401)},
    # An assertion in the form does without the header.
    openapi_extra={
        "requestBody": {"required": True, "content": {MEDIA_TYPE: {"schema": TOKEN_FORM}}},
        "security": [{}],
    },
)
@public
@body_max(BODY_MAX_BYTES)
async def issue_token(request: TokenRequestDep, tokens: ClientTokensDep, response: Response) -> TokenRead:
    """Gives a machine client an access token for a proof of who it is (RFC 6749, section 4.4).

    What it refuses, it answers as RFC 6749 has it; what the service refuses of any request stays a problem document.
    """
    response.headers.update(NOT_STORED)
    return TokenRead.of(await tokens.issue(request.proof, scope=request.scope))


async def tell_refusal(_request: Request, refusal: Exception) -> Response:
    """The answer to a token request that was refused (RFC 6749, section 5.2)."""
    assert isinstance(refusal, TokenRefused)  # noqa: S101 - what add_exception_handler's types don't say
    is_about_client = isinstance(refusal, InvalidClient)
    body = TokenRefusal.model_validate({"error": refusal.error, "error_description": str(refusal)})
    headers = NOT_STORED | (CHALLENGE if is_about_client else {})
    return JSONResponse(body.model_dump(), status_code=401 if is_about_client else 400, headers=headers)


@discovery.get("/oauth-authorization-server")
@public
async def read_server_metadata(settings: SettingsDep, response: Response) -> ServerMetadata:
    """What this authorization server is, and can do (RFC 8414)."""
    response.headers["Cache-Control"] = f"public, max-age={MAX_AGE_S}"
    public_url = settings.public_url
    return ServerMetadata.of(issuer=settings.tokens.issuer or public_url, public_url=public_url)
