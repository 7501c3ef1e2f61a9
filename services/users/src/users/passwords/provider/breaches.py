"""Whether a password has leaked from somewhere: asked of a service that is not told which password it is.

A range of k-anonymity, as Pwned Passwords gives it (ASVS 5.0, 6.2.12): five characters of the SHA-1 leave, and what
comes back are the rest and the count of each leaked password whose hash begins with them.
"""

import hashlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import httpx
import structlog

from core.client import open_clients
from core.metrics import Counter
from core.resources import Resource, Resources
from core.settings import ClientSettings
from users.settings import Settings

PREFIX_CHARACTERS = 5
UNANSWERED = "password_breaches_unanswered_total"

log = structlog.get_logger("users.passwords")


class Breaches(Protocol):
    """Whoever knows of passwords that have leaked."""

    async def include(self, password: str, /) -> bool:
        """Whether this one is known to have leaked; False if that could not be found out."""
        ...


class NotAsked:
    """Nobody is asked: every password passes."""

    async def include(self, _password: str, /) -> bool:
        """No."""
        return False


@dataclass(frozen=True, slots=True)
class RangeSearch:
    """Asks a range API; when it does not answer, nobody is kept from choosing a password."""

    client: httpx.AsyncClient
    unanswered: Counter

    async def include(self, password: str, /) -> bool:
        """Whether the API counts it."""
        # What such services index by; it protects nothing.
        digest = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()
        prefix, suffix = digest[:PREFIX_CHARACTERS], digest[PREFIX_CHARACTERS:]
        try:
            # Padded answers are of one size, so that whoever sees them pass cannot tell which range was asked for.
            response = await self.client.get(f"/{prefix}", headers={"Add-Padding": "true"})
            response.raise_for_status()
        except httpx.HTTPError as failed:
            self.unanswered.add()
            log.warning("leaked passwords could not be looked up", reason=type(failed).__name__)
            return False
        return suffix in _leaked(response.text)


def _leaked(listed: str) -> set[str]:
    """The suffixes of a range; those that nobody counted are its padding."""
    lines = (line.strip().upper().partition(":") for line in listed.splitlines())
    return {suffix for suffix, _, count in lines if count.strip("0")}


@asynccontextmanager
async def _open_breaches(resources: Resources) -> AsyncGenerator[Breaches]:
    policy = resources.settings_as(Settings).passwords
    unanswered = resources.metrics.counter(UNANSWERED, "Passwords taken although nobody could say whether they leaked.")
    if policy.breaches_url is None:
        yield NotAsked()
        return
    timeout_s = policy.breaches_timeout_s
    upstream = ClientSettings(url=policy.breaches_url, timeout_s=timeout_s, attempt_timeout_s=timeout_s, retries_max=0)
    # A stranger learns no request id of ours.
    async with open_clients({"breaches": upstream}, request_id=lambda: None) as clients:
        yield RangeSearch(clients.client("breaches"), unanswered)


BREACHES = Resource(Breaches, _open_breaches)
