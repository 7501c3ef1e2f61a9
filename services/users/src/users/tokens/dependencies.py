"""How signing keys are opened, and how the token services are built."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Annotated

from fastapi import Depends

from core.clock import SystemClock
from core.dependencies import ResourcesDep, Session
from core.resources import Resources
from core.tokens import derive_key
from users.settings import Settings, secret_of
from users.tokens.repository import OneTimeTokenRepository, SigningKeyRepository
from users.tokens.service import AccessTokens, OneTimeTokens, SigningKeys, load_signing_keys


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


def build_one_time_tokens(session: Session, resources: Resources) -> OneTimeTokens:
    """What issues one-time tokens in this transaction."""
    key = derive_key(secret_of(resources), "users one-time tokens v1")
    return OneTimeTokens(OneTimeTokenRepository(session), key, resources.clock)


async def _signing_keys(resources: ResourcesDep) -> SigningKeys:
    return resources[SigningKeys]


SigningKeysDep = Annotated[SigningKeys, Depends(_signing_keys)]
