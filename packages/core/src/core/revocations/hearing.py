"""Hears from the service that issues access tokens which sessions were ended."""

from datetime import datetime, timedelta
from typing import Any

from pydantic import AwareDatetime, TypeAdapter, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from core.clock import SystemClock
from core.events import Event, Handlers
from core.ids import parse_id
from core.tokens.principal import LEEWAY_S_MAX, SESSION_PREFIX

# What comes over a bus is believed up to here: no issuer of ours lets a token live longer, and what is remembered stays
# bounded.
LIFETIME_S_MAX = 3_600
_INSTANT = TypeAdapter(AwareDatetime)


def hearing_of(issuer: str) -> Handlers:
    """What a service does when `issuer` tells of a session that was ended."""
    handlers = Handlers()
    handlers.once("session.revoked", source=issuer)(refuse_session)
    return handlers


async def refuse_session(event: Event, session: AsyncSession, resources: Any) -> None:
    """Refuses the tokens of the session until the last of them has expired."""
    session_id = parse_id(SESSION_PREFIX, event.data["id"])
    expires_at = last_expiry(event.data["revoked_at"], event.data["access_token_lifetime_s"], now=SystemClock().now())
    await resources.revocations.add(session, session_id, expires_at=expires_at)


def last_expiry(revoked_at: object, lifetime_s: object, *, now: datetime) -> datetime:
    """When the last token of a session that was revoked then is refused in any case; what makes no sense is the most.

    The clocks of issuer, verifiers and database may differ by as much as a verifier may allow for.
    """
    try:
        since = min(_INSTANT.validate_python(revoked_at), now)
    except ValidationError:
        since = now
    is_sensible = type(lifetime_s) is int and 0 < lifetime_s <= LIFETIME_S_MAX
    return since + timedelta(seconds=(lifetime_s if is_sensible else LIFETIME_S_MAX) + LEEWAY_S_MAX)
