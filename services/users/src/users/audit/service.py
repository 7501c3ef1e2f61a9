"""Writes down who did what, in the transaction in which it is done."""

from dataclasses import dataclass

from core.clock import Clock
from core.ids import new_id
from users.audit.models import Action, AuditEvent
from users.audit.repository import AuditRepository

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
