"""Machine clients: made and revoked by operators, and given access tokens for a proof (RFC 6749, section 4.4)."""

import hmac
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import ClassVar
from uuid import UUID

import structlog

from core.clock import Clock
from core.errors import Conflict, NotFound
from core.ids import new_id
from users.audit.models import Action
from users.audit.service import OPERATOR, Audit
from users.clients.models import ServiceClient
from users.clients.repository import ClientRepository, ProofRepository, ProofRow
from users.clients.rules.assertions import Assertion
from users.clients.rules.names import client_id_of, client_of
from users.clients.rules.public_keys import public_key_of
from users.clients.rules.scopes import granted
from users.clients.rules.secrets import ShownSecret, digest_of, new_secret
from users.signing.service import AccessTokens

log = structlog.get_logger("users.clients")


class ClientNameTaken(Conflict):
    """There is a machine client with this name."""

    code = "client_name_taken"


class TokenRefused(Exception):
    """A request for a token that is answered as RFC 6749, section 5.2, has it, and not by a problem document.

    Its text is for the developer of the client: characters of ASCII, and nothing that was sent.
    """

    error: ClassVar[str]


class InvalidRequest(TokenRefused):
    """The request lacks a parameter, repeats one, or is none."""

    error = "invalid_request"


class UnsupportedGrantType(TokenRefused):
    """The grant is another than client_credentials."""

    error = "unsupported_grant_type"


class InvalidScope(TokenRefused):
    """A scope is not the client's."""

    error = "invalid_scope"


class InvalidClient(TokenRefused):
    """The client has not proven who it is."""

    error = "invalid_client"


@dataclass(frozen=True, slots=True)
class Created:
    """A new client, and its secret, which is nowhere else; None if it has a key."""

    client_id: str
    secret: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clients:
    """What operators do about machine clients, in one transaction."""

    repository: ClientRepository
    audit: Audit
    clock: Clock

    async def create(self, *, name: str, scopes: Collection[str], public_jwk: dict[str, str] | None) -> Created:
        """A client that proves itself by this key, or by a secret that is made here.

        Raises:
            ClientNameTaken: a live client is called so.
        """
        secret = new_secret() if public_jwk is None else None
        client = {
            "id": new_id(),
            "name": name,
            "scopes": sorted(set(scopes)),
            "secret_digest": None if secret is None else digest_of(secret),
            "public_jwk": public_jwk,
            "created_at": self.clock.now(),
        }
        if not await self.repository.add(client):
            raise ClientNameTaken(f"There is a client called {name}; revoke it first, or choose another name.")
        client_id = client_id_of(client["id"])
        await self.audit.record(Action.CLIENT_CREATED, subject=client_id, actor=OPERATOR, scopes=client["scopes"])
        return Created(client_id, secret)

    async def revoke(self, id_or_name: str) -> str:
        """Revokes a client for good; its `client_id`.

        Raises:
            NotFound: no live client has this id or name.
        """
        found = await self.repository.revoke(client_id=client_of(id_or_name), name=id_or_name, at=self.clock.now())
        if found is None:
            raise NotFound(f"There is no client {id_or_name} that could be revoked.")
        await self.audit.record(Action.CLIENT_REVOKED, subject=client_id_of(found), actor=OPERATOR)
        return client_id_of(found)

    async def all(self) -> Sequence[ServiceClient]:
        """Every client, the revoked ones, too, the oldest first."""
        return await self.repository.all()


@dataclass(frozen=True, slots=True)
class ClientToken:
    """An access token for a machine client, and what it is for."""

    access_token: str = field(repr=False)
    expires_in_s: int
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientTokens:
    """Gives tokens to machine clients; `clock` is the system's, by which the other side has signed, too."""

    proofs: ProofRepository
    access_tokens: AccessTokens
    clock: Clock
    leeway: timedelta

    async def issue(self, proof: ShownSecret | Assertion, *, scope: str | None) -> ClientToken:
        """A token with the scopes that were asked for, or all that the client may have.

        Raises:
            InvalidClient: the proof is not good, or was shown before.
            InvalidScope: the client may not have one of them.
            Unavailable: it is not sure which key signs.
        """
        client = await self._proven(proof)
        scopes = granted(scope, allowed=client.scopes)
        if scopes is None:
            raise InvalidScope("The client may not have all of these scopes.")
        client_id = client_id_of(client.id)
        token = self.access_tokens.sign_for_client(client_id, scopes=scopes)
        log.info("access token for a machine client", client_id=client_id, scope=" ".join(sorted(scopes)))
        return ClientToken(token, int(self.access_tokens.lifetime.total_seconds()), scopes)

    async def _proven(self, proof: ShownSecret | Assertion) -> ProofRow:
        # What is no id stands for one that nobody has: it takes as long to find out.
        client = await self.proofs.find(client_of(proof.client_id) or new_id())
        proves = _proves_by_secret(proof, client) if isinstance(proof, ShownSecret) else _proves_by_key(proof, client)
        if client is None or not proves:
            raise InvalidClient("The client is unknown or was revoked, or this does not prove that it is this client.")
        if isinstance(proof, Assertion):
            await self._take(proof, client.id)
        return client

    async def _take(self, assertion: Assertion, client: UUID) -> None:
        """Accepts an assertion once: of many requests that show it, one is answered with a token."""
        claims, now = assertion.claims, self.clock.now()
        if fault := claims.fault(issuer=self.access_tokens.issuer, now=now, leeway=self.leeway):
            raise InvalidClient(f"The assertion is not accepted: {fault}.")
        kept_until = claims.expires_at + self.leeway
        if not await self.proofs.add_assertion(client, jti_digest=claims.jti_digest, expires_at=kept_until):
            raise InvalidClient("The assertion is not accepted: its jti was shown before.")


def _proves_by_secret(shown: ShownSecret, client: ProofRow | None) -> bool:
    known = None if client is None else client.secret_digest
    # Compared in any case: with what is the digest of no secret.
    return hmac.compare_digest(digest_of(shown.secret), known or bytes(32))


def _proves_by_key(assertion: Assertion, client: ProofRow | None) -> bool:
    jwk = None if client is None else client.public_jwk
    return assertion.is_signed_by(None if jwk is None else public_key_of(jwk))
