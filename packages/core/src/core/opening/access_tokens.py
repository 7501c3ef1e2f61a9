"""What a service verifies access tokens with: the keys that its issuer publishes, and on a laptop a local one."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager

import httpx

from core.client import Clients
from core.clock import Clock, SystemClock
from core.resources import ResourceList
from core.settings import ClientSettings, ServiceSettings
from core.tokens import Keys, LocalKey, RemoteKeys, Revocations, Verifier
from core.tokens.remote import JWK_SET_BYTES_MAX

# The `iss` of tokens that a command on this machine signed.
LOCAL_ISSUER = "urn:local"
JWKS_PATH = "/.well-known/jwks.json"
FETCH_TIMEOUT_S = 10
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


def heard_from(name: str, settings: ServiceSettings, declared: ResourceList) -> str | None:
    """The sibling that tells the service `name` which sessions were ended.

    None for one that issues tokens itself, that declares revocations of its own, or whose issuer is no sibling.
    """
    knows_itself = any(resource.kind is Revocations for resource in declared)
    return None if knows_itself or settings.tokens.issued_by == name else settings.tokens.issued_by


@asynccontextmanager
async def open_published_keys(
    settings: ServiceSettings, clients: Clients, issuer: str, *, clock: Clock
) -> AsyncGenerator[Keys]:
    """The keys that the issuer publishes; fetched when the first token asks for one."""

    async def fetch() -> bytes:
        # The client bounds each step of a streamed answer, and not all of them together.
        async with asyncio.timeout(FETCH_TIMEOUT_S), clients.client(issuer).stream("GET", url) as response:
            response.raise_for_status()
            return await _bounded(response)

    url = settings.tokens.jwks_url or JWKS_PATH
    keys = RemoteKeys(fetch, clock=clock)
    try:
        yield keys
    finally:
        await keys.close()


async def _bounded(response: httpx.Response) -> bytes:
    """The body, of which no more is taken in than a key set may have."""
    content = b""
    async for part in response.aiter_bytes():
        content += part
        if len(content) > JWK_SET_BYTES_MAX:
            raise ValueError("the JWK set is too large")
    return content


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
