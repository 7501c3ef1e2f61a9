"""What an operator does about machine clients at a terminal."""

from collections.abc import Awaitable, Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from core.cli import application_of, run_opened
from core.resources import Resources
from users.clients.dependencies import build
from users.clients.models import ServiceClient
from users.clients.rules.names import NAME_CHARACTERS_MAX, client_id_of, is_name
from users.clients.rules.public_keys import public_jwk_of
from users.clients.rules.scopes import KNOWN
from users.clients.service import Clients

T = TypeVar("T")

# Longer than any key, in case that it is another file altogether.
FILE_CHARACTERS_MAX = 16_384


def _one_name(name: str) -> str:
    if not is_name(name):
        raise typer.BadParameter(
            f"a name is letters a-z, digits, and single dots and hyphens between them; at most {NAME_CHARACTERS_MAX}"
        )
    return name


def _known_scopes(scopes: list[str]) -> list[str]:
    for scope in scopes:
        if scope not in KNOWN:
            near = get_close_matches(scope, KNOWN, n=1)
            remedy = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(KNOWN))}"
            raise typer.BadParameter(f"there is no scope {scope}: {remedy}")
    return scopes


Name = Annotated[str, typer.Argument(callback=_one_name, help="What it is, such as nightly-export.")]
Scopes = Annotated[list[str], typer.Option("--scope", callback=_known_scopes, help="What it may do; once or more.")]
PublicKey = Annotated[
    Path | None,
    typer.Option(
        exists=True, dir_okay=False, help="Its public key, on P-256, as PEM or JWK: the client keeps the private one."
    ),
]


def create_client(context: typer.Context, name: Name, scope: Scopes, public_key: PublicKey = None) -> None:
    """Make a machine client: it gets access tokens for its secret, which is shown once, or by its own key."""
    public_jwk = None if public_key is None else _read_key(public_key)
    created = _run(context, lambda clients: clients.create(name=name, scopes=scope, public_jwk=public_jwk))
    typer.echo(f"client_id: {created.client_id}")
    if created.secret is not None:
        typer.echo(f"client_secret: {created.secret}")
        typer.echo("The secret is shown this once: only its SHA-256 is stored.", err=True)


def revoke_client(
    context: typer.Context, client: Annotated[str, typer.Argument(help="Its id (svc_…) or its name.")]
) -> None:
    """Revoke a machine client for good: it gets no more tokens, and users refuses those that it has."""
    client_id = _run(context, lambda clients: clients.revoke(client))
    typer.echo(f"{client_id} is revoked. Other services refuse its last tokens when these expire.")


def clients(context: typer.Context) -> None:
    """Show the machine clients: id, name, what they prove themselves with, since when, and their scopes."""
    for each in _run(context, lambda clients: clients.all()):
        typer.echo(_line(each))


def _line(client: ServiceClient) -> str:
    proof = "secret" if client.public_jwk is None else "key"
    standing = "live" if client.revoked_at is None else f"revoked {client.revoked_at:%Y-%m-%d}"
    cells = (client_id_of(client.id), client.name, proof, f"{client.created_at:%Y-%m-%d}", standing, *client.scopes)
    return "  ".join(cells)


def _read_key(file: Path) -> dict[str, str]:
    try:
        # What is no UTF-8 is no key, either.
        with file.open(encoding="utf-8", errors="replace") as opened_file:
            return public_jwk_of(opened_file.read(FILE_CHARACTERS_MAX))
    except ValueError as refused:
        raise typer.BadParameter(f"{file}: {refused}", param_hint="--public-key") from None


def _run(context: typer.Context, work: Callable[[Clients], Awaitable[T]]) -> T:
    async def run(resources: Resources) -> T:
        async with resources.database.transaction() as session:
            return await work(build(session, resources))

    return run_opened(application_of(context.obj), run)
