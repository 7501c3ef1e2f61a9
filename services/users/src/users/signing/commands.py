"""What an operator does about signing keys at a terminal."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, TypeVar

import typer

from core.application import service
from core.cli import run_opened
from core.events.bus import LocalBus
from core.ports import Ports
from core.resources import Resources
from core.settings import load
from core.tokens.remote import MAX_AGE_S, REFETCH_INTERVAL_S
from users.settings import Settings
from users.signing.dependencies import build, timing_of
from users.signing.service import KeysUnusable, Replaced, Rotation, Upcoming

T = TypeVar("T")

Compromised = Annotated[
    bool, typer.Option("--compromised", help="Somebody may have a key: remove all, and sign with a new one at once.")
]
NewSecret = Annotated[
    bool, typer.Option("--new-secret", help="USERS_SECRET_KEY was changed: replace at once what it does not open.")
]


def rotate_keys(*, compromised: Compromised = False, new_secret: NewSecret = False) -> None:
    """Replace the key that signs access tokens: in a while and unnoticed, or at once."""
    if compromised and new_secret:
        raise typer.BadParameter("--compromised and --new-secret both replace every key: say which has happened")
    settings = load(Settings).settings
    try:
        if compromised:
            told = _after_compromise(_run(settings, Rotation.replace_compromised), settings)
        elif new_secret:
            told = _after_new_secret(_run(settings, Rotation.replace_unreadable), settings)
        else:
            told = _upcoming(_run(settings, Rotation.publish_next), settings)
    except KeysUnusable as refused:
        typer.echo(f"Nothing was changed: {refused}.", err=True)
        raise typer.Exit(1) from None
    for line in told:
        typer.echo(line)


def _run(settings: Settings, work: Callable[[Rotation], Awaitable[T]]) -> T:
    # Without the service's own resources: keys that this secret does not open would keep them from opening.
    app = service("users", settings.model_copy(update={"routers": ()}), Ports(bus=LocalBus()), routers=())

    async def run(resources: Resources) -> T:
        async with resources.database.transaction() as session:
            return await work(build(session, resources))

    return run_opened(app, run)


def _upcoming(key: Upcoming, settings: Settings) -> list[str]:
    kept_s = timing_of(settings).kept_after_use.total_seconds()
    begun = "was published before, and waits" if key.was_waiting else "is published"
    return [
        f"The next key {begun}: {key.kid}",
        f"It signs from {_shown(key.signs_at)} on, a minute later at most: by then every verifier has it.",
        f"The key that signs until then stays published for {kept_s:g} s more, so no token is refused.",
        f"Next: nothing; it happens by itself. To watch it: {settings.public_url}/.well-known/jwks.json",
    ]


def _replaced(replaced: Replaced, settings: Settings) -> list[str]:
    return [
        *(f"Removed: {kid}" for kid in replaced.removed),
        f"Signs now: {replaced.kid}",
        f"Replicas of users change within {settings.signing.reload_interval_s:g} s, and then refuse every access token",
        "that was issued before; clients get another one with their refresh token, and no session ends.",
        f"Other services accept tokens of removed keys for up to {MAX_AGE_S} s, from the key set they keep, and may",
        f"refuse new tokens for up to {REFETCH_INTERVAL_S} s, until they ask for the new key.",
    ]


def _after_compromise(replaced: Replaced, settings: Settings) -> list[str]:
    return [
        *_replaced(replaced, settings),
        "Next: restart the other services if they must forget the removed keys now, and find out how a key got out.",
        "If USERS_SECRET_KEY may be known as well, replace it: docs/operations.md, Signing keys.",
    ]


def _after_new_secret(replaced: Replaced | None, settings: Settings) -> list[str]:
    if replaced is None:
        return ["USERS_SECRET_KEY opens the signing keys: nothing was changed, and nothing is left to do."]
    return [
        *_replaced(replaced, settings),
        "Next: start every replica of users with this USERS_SECRET_KEY; one that has the former stops signing.",
    ]


def _shown(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC"
