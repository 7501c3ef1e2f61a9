"""Writes down who did what, in the transaction in which it is done, and reads it out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.clock import Clock
from core.database import Position
from core.ids import new_id
from users.audit.models import Action, AuditEvent
from users.audit.repository import AuditQueries, AuditRepository, AuditRow

# Who acts where no user and no machine client does.
OPERATOR = "operator"
SYSTEM = "system"
ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """The audit trail, in one transaction."""

    repository: AuditRepository
    clock: Clock
    request_id: str | None

    async def record(self, action: Action, *, subject: str, actor: str, **details: str | list[str]) -> None:
        """Adds a line, which is there if and only if the change is.

        `details` say what changed in codes and ids: a line outlives the person whom it is about.
        """
        event = AuditEvent(
            id=new_id(),
            occurred_at=self.clock.now(),
            action=action,
            actor=actor,
            subject=subject,
            request_id=self.request_id,
            details=details,
        )
        await self.repository.add(event)


@dataclass(frozen=True, slots=True)
class AuditTrail:
    """What has been written down."""

    queries: AuditQueries

    async def page(self, filters: Mapping[str, Any], *, after: Position | None, limit: int) -> list[AuditRow]:
        """Lines that the filters leave, the newest first, and one more than `limit` if there are more.

        The filters are `actor`, `subject`, `action`, `occurred_at_gte` and `occurred_at_lt`.
        """
        return await self.queries.page(filters, after=after, limit=limit)
