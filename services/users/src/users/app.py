"""The users service: its table of contents, and what a fresh local system starts with."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from core.application import service
from core.ports import Ports, Seed
from core.resources import Resource, Resources
from core.tokens import Revocations
from core.tokens.keys import Keys
from users.accounts.announcements import announcements as accounts_announcements
from users.accounts.dependencies import build as build_accounts
from users.accounts.replays import replays as accounts_replays
from users.administration.router import router as administration
from users.audit.router import router as audit
from users.audit.service import OPERATOR
from users.clients.jobs import jobs as clients_jobs
from users.clients.router import discovery, oauth, tell_refusal
from users.clients.service import TokenRefused
from users.email_changes.handlers import handlers as email_changes_handlers
from users.email_changes.router import router as email_changes
from users.passwords.provider import BREACHES, HASHING
from users.privacy.announcements import announcements as privacy_announcements
from users.privacy.handlers import handlers as privacy_handlers
from users.privacy.jobs import jobs as privacy_jobs
from users.privacy.replays import replays as privacy_replays
from users.privacy.router import router as privacy
from users.profile.router import router as profile
from users.recovery.handlers import handlers as recovery_handlers
from users.recovery.router import own_password, password_resets
from users.registration.handlers import handlers as registration_handlers
from users.registration.jobs import jobs as registration_jobs
from users.registration.router import registration, verification
from users.revocations.dependencies import open_revocations
from users.sessions.announcements import announcements as sessions_announcements
from users.sessions.dependencies import build as build_sessions
from users.sessions.jobs import jobs as sessions_jobs
from users.sessions.replays import replays as sessions_replays
from users.sessions.router import router as sessions
from users.settings import Settings
from users.signing.dependencies import open_signing_keys
from users.signing.jobs import jobs as signing_jobs
from users.signing.router import router as signing
from users.signing.service import SigningKeys
from users.throttling.jobs import jobs as throttling_jobs

__all__ = ["Settings", "create_app", "seed_local"]


def create_app(settings: Settings, ports: Ports = Ports()) -> FastAPI:
    """The service; nothing is opened before its lifespan starts."""
    application = service(
        "users",
        settings,
        ports,
        routers=(
            registration,
            profile,
            own_password,
            email_changes,
            privacy,
            verification,
            password_resets,
            administration,
            sessions,
            oauth,
            audit,
            signing,
            discovery,
        ),
        resources=(
            HASHING,
            BREACHES,
            Resource(SigningKeys, open_signing_keys),
            # What the chassis verifies access tokens with, here where they are made.
            Resource(Keys, _own_keys),
            Resource(Revocations, open_revocations),
        ),
        announces=(accounts_announcements, sessions_announcements, privacy_announcements),
        handlers=(registration_handlers, recovery_handlers, email_changes_handlers, privacy_handlers),
        jobs=(signing_jobs, throttling_jobs, clients_jobs, registration_jobs, sessions_jobs, privacy_jobs),
        replays=(accounts_replays, sessions_replays, privacy_replays),
    )
    # Where OAuth has a shape of its own for refusals, its libraries read no other.
    application.add_exception_handler(TokenRefused, tell_refusal)
    return application


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
        await build_sessions(session, resources).revoke_all(admin.id, actor=OPERATOR)
