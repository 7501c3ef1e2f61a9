"""`billing token`: an access token that this service accepts on this machine, without the service that issues them."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from core.cli.dev import data_dir
from core.dependencies.identity import scopes_of
from core.ids import format_id, new_id, parse_id
from core.opening import LOCAL_ISSUER
from core.ports import Ports
from core.services import Service
from core.tokens.local import LocalKey
from core.tokens.signing import sign_access_token


class Role(StrEnum):
    """What the token may do: nothing but its own data, read everything, do everything."""

    USER = "user"
    SUPPORT = "support"
    ADMIN = "admin"


def _user(subject: str | None) -> str | None:
    try:
        return subject and format_id("usr", parse_id("usr", subject))
    except ValueError as refused:
        raise typer.BadParameter(str(refused)) from None


def token(
    context: typer.Context,
    role: Annotated[
        Role, typer.Option(help="user: own data; support: every :read scope; admin: every scope.")
    ] = Role.USER,
    subject: Annotated[
        str | None, typer.Option(help="Whose token: usr_…; without it, somebody new.", callback=_user)
    ] = None,
    minutes: Annotated[int, typer.Option(min=1, max=24 * 60, help="How long it is valid.")] = 60,
    data: Annotated[
        Path | None, typer.Option(help="The data directory of the host; .local/gateway for the gateway.")
    ] = None,
) -> None:
    """Print an access token that this service accepts in the environment "local"."""
    from core.local.host import LocalHost

    service: Service = context.obj
    host = LocalHost.at(service.name, data or data_dir(service.name))
    # The URL is of no matter: nothing is served.
    settings = host.load(service, url="http://127.0.0.1:8000", siblings={}).settings
    key = LocalKey.open(host.directory.path, environment=settings.environment)
    now = datetime.now(UTC)
    typer.echo(
        sign_access_token(
            key=key.private,
            kid=key.kid,
            issuer=LOCAL_ISSUER,
            audience=[settings.tokens.audience],
            subject=subject or format_id("usr", new_id()),
            client_id="cli",
            session_id=new_id(),
            scopes=_granted(role, scopes_of(service.create_app(settings, Ports()).routes)),
            roles=[role],
            auth_time=now,
            now=now,
            lifetime=timedelta(minutes=minutes),
        )
    )


def _granted(role: Role, known: set[str]) -> set[str]:
    if role is Role.ADMIN:
        return known
    return {scope for scope in known if scope.endswith(":read")} if role is Role.SUPPORT else set()
