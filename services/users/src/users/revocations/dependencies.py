"""How it is opened what says who was locked out."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from core.opening import LOCAL_ISSUER
from core.resources import Resources
from core.tokens import Revocations
from users.revocations.repository import LockoutRepository
from users.revocations.service import Lockouts


@asynccontextmanager
async def open_revocations(resources: Resources) -> AsyncGenerator[Revocations]:
    """What the chassis asks about every caller, here where sessions and clients are ended."""
    yield Lockouts(LockoutRepository(resources.database.reads), resources.clock, LOCAL_ISSUER)
