"""An OAuth library that knows nothing of this service gets a token by what the service says of itself."""

import asyncio
import time
import warnings

import pytest
from authlib.deprecate import AuthlibDeprecationWarning
from authlib.integrations.base_client import OAuthError
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from joserfc.jwk import ECKey
from jwt.algorithms import ECAlgorithm

from core.testing import problem, running
from users.app import create_app
from users.clients.rules.scopes import KNOWN

METADATA = "/.well-known/oauth-authorization-server"


async def test_the_metadata_are_the_same_everywhere_and_may_be_kept_for_five_minutes(anywhere, settings):
    response = await anywhere.get(METADATA)
    assert response.headers["cache-control"] == "public, max-age=300"
    assert response.json() == {
        "issuer": settings.public_url,
        "token_endpoint": f"{settings.public_url}/v1/oauth/token",
        "jwks_uri": f"{settings.public_url}/.well-known/jwks.json",
        "scopes_supported": sorted(KNOWN),
        "response_types_supported": [],
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["ES256"],
        "service_documentation": f"{settings.public_url}/openapi.json",
    }


async def test_what_the_metadata_point_at_is_there(client, settings):
    metadata = (await client.get(METADATA)).json()
    for name in ("jwks_uri", "service_documentation"):
        assert (await client.get(metadata[name])).status_code == 200
    assert problem(await client.get(metadata["token_endpoint"])) == (405, "method_not_allowed")


@pytest.fixture
async def behind_an_edge(settings):
    """The metadata of the service where an edge takes away the first part of its paths."""
    url = "https://api.example.com/users"
    tokens = settings.tokens.model_copy(update={"issuer": url})
    app = await asyncio.to_thread(create_app, settings.model_copy(update={"public_url": url, "tokens": tokens}))
    async with running(app) as client:
        return (await client.get(METADATA)).json()


async def test_behind_an_edge_every_url_is_the_public_one(behind_an_edge):
    assert behind_an_edge["issuer"] == "https://api.example.com/users"
    assert behind_an_edge["token_endpoint"] == "https://api.example.com/users/v1/oauth/token"
    assert behind_an_edge["jwks_uri"] == "https://api.example.com/users/.well-known/jwks.json"


async def test_the_metadata_are_what_rfc_8414_asks_for(behind_an_edge):
    metadata = AuthorizationServerMetadata(behind_an_edge)
    for name in set(metadata.REGISTRY_KEYS) & set(behind_an_edge) - {"response_types_supported"}:
        getattr(metadata, f"validate_{name}")()
    # The library wants one; there is none, and section 2 wants the member.
    assert metadata["response_types_supported"] == []


@pytest.fixture
def library(client):
    """`library(client_id, secret, **options)`: Authlib's client, which speaks to the service under test."""
    # It would rather have httpx2, and says so when it is imported.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*httpx", category=AuthlibDeprecationWarning)
        from authlib.integrations.httpx_client import AsyncOAuth2Client  # noqa: PLC0415 - the warning

    def make(client_id, secret, **options):
        return AsyncOAuth2Client(client_id, secret, transport=client._transport, base_url=client.base_url, **options)

    return make


async def test_authlib_gets_a_token_with_a_secret_and_calls_with_it(client, library, machine):
    exporter = await machine("users:read", "billing:read")
    metadata = (await client.get(METADATA)).json()
    async with library(exporter.id, exporter.secret, scope="users:read") as oauth:
        token = await oauth.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
        assert (token["token_type"], token["scope"], token.is_expired()) == ("Bearer", "users:read", False)
        assert (await oauth.get("/v1/users")).status_code == 200


async def test_authlib_gets_a_token_with_a_key_and_calls_with_it(client, library, machine):
    exporter = await machine("users:read", with_key=True)
    metadata = (await client.get(METADATA)).json()
    key = ECKey.import_key(ECAlgorithm.to_jwk(exporter.key, as_dict=True))
    async with library(exporter.id, key, token_endpoint_auth_method="private_key_jwt") as oauth:
        # Its own choice would be the token endpoint, and an hour.
        claims = {"exp": int(time.time()) + 60}
        oauth.register_client_auth_method(PrivateKeyJWT(metadata["issuer"], claims=claims, alg="ES256"))
        await oauth.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
        assert (await oauth.get("/v1/users")).status_code == 200


async def test_authlib_reads_what_a_refusal_says(client, library, machine):
    exporter = await machine("users:read")
    metadata = (await client.get(METADATA)).json()
    for secret, scope, error in ((exporter.secret, "users:write", "invalid_scope"), ("wrong", None, "invalid_client")):
        async with library(exporter.id, secret, scope=scope) as oauth:
            with pytest.raises(OAuthError) as refused:
                await oauth.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
        assert refused.value.error == error
        assert refused.value.description
