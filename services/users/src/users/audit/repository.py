"""Every query on the audit trail."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from core.database import Position, Query, ReadSession, UtcDateTime, page_parameters, paged
from users.audit.models import AuditEvent


class AuditRow(BaseModel, frozen=True):
    """A line as a request reads it."""

    id: UUID
    occurred_at: datetime
    action: str
    actor: str
    subject: str
    request_id: str | None
    details: dict[str, Any]


_LINES = select(*(getattr(AuditEvent, name) for name in AuditRow.model_fields))
_FILTERS = {
    "actor": AuditEvent.actor == bindparam("actor"),
    "subject": AuditEvent.subject == bindparam("subject"),
    "action": AuditEvent.action == bindparam("action"),
    "occurred_at_gte": AuditEvent.occurred_at >= bindparam("occurred_at_gte", type_=UtcDateTime),
    "occurred_at_lt": AuditEvent.occurred_at < bindparam("occurred_at_lt", type_=UtcDateTime),
}


@cache
def page_of(*filters: str) -> Query[AuditRow]:
    """A statement for each set of filters: an index serves each, and none serves "this filter, if it is given"."""
    lines = _LINES.where(*(_FILTERS[name] for name in filters))
    return Query(paged(lines, AuditEvent.occurred_at, AuditEvent.id, newest_first=True), AuditRow)


@dataclass(frozen=True, slots=True)
class AuditRepository:
    """Writes in the transaction of `session`; nothing but additions."""

    session: AsyncSession

    async def add(self, event: AuditEvent) -> None:
        """Adds a line."""
        self.session.add(event)
        await self.session.flush()


@dataclass(frozen=True, slots=True)
class AuditQueries:
    """Reads, outside any transaction."""

    reads: ReadSession

    async def page(self, filters: Mapping[str, Any], *, after: Position | None, limit: int) -> list[AuditRow]:
        """Lines, the newest first, and one more than `limit` if there are more."""
        parameters = page_parameters(after, limit, newest_first=True)
        return await self.reads.all(page_of(*sorted(filters)), **filters, **parameters)
