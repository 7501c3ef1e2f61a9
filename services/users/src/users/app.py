"""The users service: its table of contents, and what a fresh local system starts with."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from core.application import service
from core.ports import Ports, Seed
from core.resources import Resource, Resources
from core.tokens import Keys
from users.accounts.announcements import announcements as accounts_announcements
from users.accounts.dependencies import build as build_accounts
from users.accounts.replays import replays as accounts_replays
from users.passwords.provider import HASHING
from users.privacy.announcements import announcements as privacy_announcements
from users.profile.router import router as profile
from users.registration.handlers import handlers as registration_handlers
from users.registration.router import registration, verification
from users.sessions.announcements import announcements as sessions_announcements
from users.sessions.dependencies import build as build_sessions
from users.sessions.replays import replays as sessions_replays
from users.sessions.router import router as sessions
from users.settings import Settings
from users.signing.dependencies import open_signing_keys
from users.signing.router import router as signing
from users.signing.service import SigningKeys

__all__ = ["Settings", "create_app", "seed_local"]


def create_app(settings: Settings, ports: Ports = Ports()) -> FastAPI:
    """The service; nothing is opened before its lifespan starts."""
    return service(
        "users",
        settings,
        ports,
        routers=(registration, profile, verification, sessions, signing),
        resources=(
            HASHING,
            Resource(SigningKeys, open_signing_keys),
            # What the chassis verifies access tokens with, here where they are made.
            Resource(Keys, _own_keys),
        ),
        announces=(accounts_announcements, sessions_announcements, privacy_announcements),
        handlers=(registration_handlers,),
        replays=(accounts_replays, sessions_replays),
    )


@asynccontextmanager
async def _own_keys(resources: Resources) -> AsyncGenerator[Keys]:
    yield resources[SigningKeys]


async def seed_local(resources: Resources, seed: Seed) -> None:
    """Makes the admin of a local system, who takes the given password at every start."""
    async with resources.database.transaction() as session:
        accounts = build_accounts(session, resources)
        if await accounts.is_admin(email=seed.admin_email, password=seed.admin_password):
            return
        admin = await accounts.put_admin(email=seed.admin_email, password=seed.admin_password)
        await build_sessions(session, resources).revoke_all(admin.id)
