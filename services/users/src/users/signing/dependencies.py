"""How signing keys are opened and replaced, and what signs with them."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Annotated

from fastapi import Depends

from core.clock import SystemClock
from core.dependencies import ResourcesDep, Session
from core.lifespan import Supervisor, begun
from core.resources import Resources
from core.tokens.verifier import LEEWAY_S_MAX
from users.audit.dependencies import build as build_audit
from users.settings import Settings, secret_of
from users.signing.repository import SigningKeyQueries, SigningKeyRepository
from users.signing.rules import Timing
from users.signing.service import AccessTokens, Rotation, SigningKeys


@asynccontextmanager
async def open_signing_keys(resources: Resources) -> AsyncGenerator[SigningKeys]:
    """The signing keys, as long as the process lives, and read again as long."""
    async with resources.database.transaction() as session:
        await build(session, resources).begin()
    signing = resources.settings_as(Settings).signing
    keys = SigningKeys(
        SigningKeyQueries(resources.database.reads),
        secret=secret_of(resources),
        stale_after=timedelta(seconds=signing.stale_after_s),
        # What they sign and verify lives by the system's clock, whatever the business clock says.
        clock=SystemClock(),
    )
    await keys.reload()
    async with Supervisor() as supervisor:
        supervisor.start("signing keys", partial(keys.run, interval_s=signing.reload_interval_s), after=begun)
        yield keys


def build(session: Session, resources: Resources) -> Rotation:
    """What replaces signing keys, in the transaction of `session`."""
    return Rotation(
        repository=SigningKeyRepository(session),
        audit=build_audit(session, resources),
        secret=secret_of(resources),
        timing=timing_of(resources.settings_as(Settings)),
        clock=resources.clock,
    )


def timing_of(settings: Settings) -> Timing:
    """The times of a key."""
    signing = settings.signing
    # A replica that has not heard yet signs with a retired key for a moment; of that, the last token counts.
    kept_s = signing.stale_after_s + settings.sessions.access_token_lifetime_s + LEEWAY_S_MAX
    return Timing(
        published_before_use=timedelta(seconds=signing.published_before_use_s),
        replaced_after=timedelta(days=signing.replaced_after_days),
        kept_after_use=timedelta(seconds=kept_s),
    )


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
