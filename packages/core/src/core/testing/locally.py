"""What a service under test runs with, and tokens that it accepts."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from core.ids import format_id, new_id
from core.opening import LOCAL_ISSUER
from core.services import Service
from core.settings import ServiceSettings
from core.testing.applications import SERVICE_URL
from core.tokens.local import LocalKey
from core.tokens.signing import sign_access_token

# The page of another origin that may call the service under test.
WEB_ORIGIN = "https://app.example"

Mint = Callable[..., str]


def local_settings(service: Service, *, database_url: str, folder: Path) -> ServiceSettings:
    """Local settings on this database; mail and keys are in `folder`."""
    return service.settings.model_validate(given_locally(database_url=database_url, folder=folder))


def given_locally(*, database_url: str, folder: Path) -> dict[str, Any]:
    """What they are made from."""
    return {
        "environment": "local",
        "public_url": SERVICE_URL,
        # A busy machine is no outage.
        "database": {
            "url": database_url,
            "pool_size": 5,
            "read_pool_size": 2,
            "pool_timeout_s": 30,
            "connect_timeout_s": 60,
        },
        "mail": {"url": f"file:{folder}/mail"},
        "cors": {"allow_origins": [WEB_ORIGIN]},
        "data_dir": str(folder),
    }


def minting(settings: ServiceSettings, folder: Path) -> Mint:
    """`mint("catalog:write", subject="usr_…")`: an access token that a service with these settings accepts."""
    key = LocalKey.open(folder, environment=settings.environment)

    def mint(*scopes: str, subject: str | None = None, lifetime: timedelta = timedelta(minutes=5)) -> str:
        now = datetime.now(UTC)
        return sign_access_token(
            key=key.private,
            kid=key.kid,
            issuer=LOCAL_ISSUER,
            audience=[settings.tokens.audience],
            subject=subject or format_id("usr", new_id()),
            client_id="tests",
            session_id=new_id(),
            scopes=scopes,
            roles=(),
            auth_time=now,
            now=now,
            lifetime=lifetime,
        )

    return mint
