"""How the services of machine clients are built, and how a token request is read."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from fastapi import Depends, Request
from fastapi.openapi.models import HTTPBase
from fastapi.security.base import SecurityBase

from core.clock import SystemClock
from core.dependencies import ResourcesDep, Session
from core.errors import ContentTooLarge, UnsupportedMediaType
from core.resources import Resources
from core.web.openapi import documented
from users.audit.dependencies import build as build_audit
from users.clients.repository import ClientRepository, ProofRepository
from users.clients.rules.assertions import ASSERTION_TYPE, Assertion
from users.clients.rules.forms import MEDIA_TYPE, parameters
from users.clients.rules.secrets import ShownSecret
from users.clients.service import Clients, ClientTokens, InvalidClient, InvalidRequest, UnsupportedGrantType
from users.settings import Settings
from users.signing.dependencies import build_access_tokens

Form = dict[str, str]
Proof = ShownSecret | Assertion


def build(session: Session, resources: Resources) -> Clients:
    """What operators do about clients, in the transaction of `session`."""
    audit = build_audit(session, resources)
    return Clients(repository=ClientRepository(session), audit=audit, clock=resources.clock)


def build_tokens(resources: Resources) -> ClientTokens:
    """What gives tokens to clients."""
    return ClientTokens(
        proofs=ProofRepository(resources.database),
        access_tokens=build_access_tokens(resources),
        clock=SystemClock(),
        leeway=timedelta(seconds=resources.settings_as(Settings).tokens.leeway_s),
    )


async def _client_tokens(resources: ResourcesDep) -> ClientTokens:
    return build_tokens(resources)


ClientTokensDep = Annotated[ClientTokens, Depends(_client_tokens)]


class _ClientSecretBasic(SecurityBase):
    """Every Authorization header of the request; FastAPI's own HTTPBasic refuses by itself what it cannot read."""

    model = HTTPBase(scheme="basic", description="`client_id` and `client_secret` (RFC 6749, section 2.3.1).")
    scheme_name = "client_secret"

    async def __call__(self, request: Request) -> list[str]:
        return request.headers.getlist("authorization")


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """What a client asks for, and proves itself with."""

    proof: Proof
    scope: str | None


@documented(UnsupportedMediaType, ContentTooLarge, headers=["Cache-Control"])
async def _token_request(
    request: Request, authorization: Annotated[list[str], Depends(_ClientSecretBasic())]
) -> TokenRequest:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != MEDIA_TYPE:
        raise UnsupportedMediaType(f"Send {MEDIA_TYPE}.")
    if request.url.query:
        raise InvalidRequest("Parameters belong in the body: a URL is written to logs.")
    form = parameters(await request.body())
    if form is None:
        raise InvalidRequest("The body is no form, or has a parameter twice.")
    if "grant_type" not in form:
        raise InvalidRequest("grant_type is missing.")
    if form["grant_type"] != "client_credentials":
        raise UnsupportedGrantType("The only grant_type here is client_credentials.")
    return TokenRequest(_proof(form, authorization), form.get("scope"))


TokenRequestDep = Annotated[TokenRequest, Depends(_token_request)]


def _proof(form: Form, authorization: list[str]) -> Proof:
    """The one proof of a request.

    Raises:
        InvalidRequest: there are several, or half of one.
        InvalidClient: there is none, or one of a kind that is not accepted, or it is another client's.
    """
    asserts = "client_assertion" in form or "client_assertion_type" in form
    if len(authorization) + asserts + ("client_secret" in form) > 1:
        raise InvalidRequest("The client is to prove itself in one way.")
    if "client_secret" in form:
        raise InvalidClient("A secret belongs in the Authorization header: client_secret_basic.")
    proof = _assertion(form) if asserts else _secret(authorization)
    if form.get("client_id", proof.client_id) != proof.client_id:
        raise InvalidClient("client_id is not the client of the proof.")
    return proof


def _assertion(form: Form) -> Assertion:
    if "client_assertion" not in form or "client_assertion_type" not in form:
        raise InvalidRequest("client_assertion and client_assertion_type go together.")
    if form["client_assertion_type"] != ASSERTION_TYPE:
        raise InvalidClient(f"The only client_assertion_type here is {ASSERTION_TYPE}.")
    assertion = Assertion.of(form["client_assertion"])
    if assertion is None:
        raise InvalidClient("client_assertion is no JWT of ES256 with iss, sub, aud, exp and jti.")
    return assertion


def _secret(authorization: list[str]) -> ShownSecret:
    if not authorization:
        raise InvalidClient("The client is to prove itself: client_secret_basic or private_key_jwt.")
    scheme, _, credentials = authorization[0].partition(" ")
    shown = ShownSecret.of(credentials.strip()) if scheme.lower() == "basic" else None
    if shown is None:
        raise InvalidClient("The Authorization header is not Basic with a client_id and a secret.")
    return shown
