"""How signing keys are opened, and what signs with them."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Annotated

from fastapi import Depends

from core.clock import SystemClock
from core.dependencies import ResourcesDep
from core.resources import Resources
from users.settings import Settings, secret_of
from users.signing.repository import SigningKeyRepository
from users.signing.service import AccessTokens, SigningKeys, load_signing_keys


@asynccontextmanager
async def open_signing_keys(resources: Resources) -> AsyncGenerator[SigningKeys]:
    """The signing keys, as long as the process lives."""
    async with resources.database.transaction() as session:
        repository = SigningKeyRepository(session)
        keys = await load_signing_keys(repository, secret=secret_of(resources), clock=resources.clock)
    yield keys


def build_access_tokens(resources: Resources) -> AccessTokens:
    """What signs access tokens."""
    settings = resources.settings_as(Settings)
    return AccessTokens(
        keys=resources[SigningKeys],
        issuer=settings.tokens.issuer or settings.public_url,
        audience=settings.tokens.audience,
        lifetime=timedelta(seconds=settings.sessions.access_token_lifetime_s),
        clock=SystemClock(),
    )


async def _signing_keys(resources: ResourcesDep) -> SigningKeys:
    return resources[SigningKeys]


SigningKeysDep = Annotated[SigningKeys, Depends(_signing_keys)]
