"""Every query on the audit trail."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from users.audit.models import AuditEvent


@dataclass(frozen=True, slots=True)
class AuditRepository:
    """Writes in the transaction of `session`."""

    session: AsyncSession

    async def add(self, event: AuditEvent) -> None:
        """Adds a line."""
        self.session.add(event)
        await self.session.flush()
