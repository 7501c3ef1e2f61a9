"""What a service verifies access tokens with: the keys that its issuer publishes, and on a laptop a local one."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager

from core.client import Clients
from core.clock import SystemClock
from core.settings import ClientSettings, ServiceSettings
from core.tokens import Keys, LocalKey, RemoteKeys, Verifier

# The `iss` of tokens that a command on this machine signed.
LOCAL_ISSUER = "urn:local"
JWKS_PATH = "/.well-known/jwks.json"
# The client of an issuer that is none of the named siblings.
_ISSUER = "access token issuer"


def issuer_of(settings: ServiceSettings) -> str | None:
    """The name of the issuer's client; None for a service that knows no issuer: it believes itself and this machine."""
    tokens = settings.tokens
    if tokens.issued_by in settings.clients:
        return tokens.issued_by
    return None if tokens.issuer is None else _ISSUER


def upstreams_of(settings: ServiceSettings) -> Mapping[str, ClientSettings]:
    """The siblings that the settings name, and the issuer if it is none of them."""
    if settings.tokens.issuer is None or issuer_of(settings) != _ISSUER:
        return settings.clients
    return {**settings.clients, _ISSUER: ClientSettings(url=settings.tokens.issuer)}


@asynccontextmanager
async def open_published_keys(settings: ServiceSettings, clients: Clients, issuer: str) -> AsyncGenerator[Keys]:
    """The keys that the issuer publishes; fetched when the first token asks for one."""

    async def fetch() -> bytes:
        response = await clients.client(issuer).get(settings.tokens.jwks_url or JWKS_PATH)
        return response.raise_for_status().content

    keys = RemoteKeys(fetch, clock=SystemClock())
    try:
        yield keys
    finally:
        await keys.close()


async def verifier_of(settings: ServiceSettings, keys: Sequence[Keys]) -> Verifier:
    """Verifies with `keys`, and on this machine with the key that its commands sign with."""
    tokens = settings.tokens
    issuers = [tokens.issuer or settings.public_url]
    if settings.environment == "local" and settings.data_dir is not None:
        # What `<service> token` signs with on this machine.
        issuers.append(LOCAL_ISSUER)
        keys = [await asyncio.to_thread(LocalKey.open, settings.data_dir, environment=settings.environment), *keys]
    # Tokens live by the system's clock, whatever the business clock says.
    return Verifier(keys, issuers=issuers, audience=tokens.audience, clock=SystemClock(), leeway_s=tokens.leeway_s)
