"""Who a request comes from, as far as its access token says."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from core.ids import parse_id

Kind = Literal["user", "service"]

SESSION_PREFIX = "ses"
# How far the clock of whoever believes a token may be behind that of its issuer.
LEEWAY_S_MAX = 60
_KINDS: dict[str, Kind] = {"usr": "user", "svc": "service"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """The caller that a valid access token names; users (`usr_…`) and machine clients (`svc_…`) never mix."""

    issuer: str
    subject: str
    id: UUID
    kind: Kind
    scopes: frozenset[str]
    roles: frozenset[str]
    # None: a machine client has no session.
    session_id: UUID | None
    client_id: str
    # When a user last proved who they are; None for a machine client.
    auth_time: datetime | None
    expires_at: datetime


def parse_subject(subject: str) -> tuple[Kind, UUID]:
    """Splits `usr_…` or `svc_…`.

    Raises:
        ValueError: it is neither.
    """
    prefix = subject[:3]
    if prefix not in _KINDS:
        raise ValueError("the subject is neither a user nor a service")
    return _KINDS[prefix], parse_id(prefix, subject)
