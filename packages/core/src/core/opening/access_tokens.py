"""What a service verifies access tokens with: the keys that its issuer publishes, and on a laptop a local one."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import httpx

from core.client import Clients
from core.clock import Clock, SystemClock
from core.opening.issuers import LOCAL_ISSUER
from core.settings import ServiceSettings
from core.tokens.keys import Keys
from core.tokens.local import LocalKey
from core.tokens.remote import JWK_SET_BYTES_MAX, RemoteKeys
from core.tokens.verifier import Verifier

JWKS_PATH = "/.well-known/jwks.json"
FETCH_TIMEOUT_S = 10


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
