"""What the API gives of the audit trail."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, Field

from core.ids import TypeId
from core.web.pages import Instant, PageQuery
from core.web.text import Line
from users.audit.models import Action
from users.audit.repository import AuditRow


class AuditQuery(PageQuery):
    """Which lines to list."""

    actor: Line | None = Field(default=None, description="Who did it: an id, `operator`, `system` or `anonymous`.")
    subject: Line | None = Field(default=None, description="The id of what it was done to.")
    action: Action | None = Field(default=None, description="What was done.")
    occurred_at_gte: Instant | None = Field(default=None, description="Done at this instant or later.")
    occurred_at_lt: Instant | None = Field(default=None, description="Done before this instant.")


class AuditEventRead(BaseModel, from_attributes=True):
    """Who did what to whom: ids and codes, of which none is ever changed or deleted."""

    id: Annotated[UUID, TypeId("aud")]
    occurred_at: datetime
    # Said, and not checked: a replica reads what one of the next version has written, too.
    action: Annotated[str, Field(json_schema_extra={"enum": list(Action)})]
    actor: str
    subject: str
    request_id: str | None
    details: dict[str, str | list[str]]

    @classmethod
    def of(cls, row: AuditRow) -> Self:
        """What the API shows of a line."""
        return cls.model_validate(row)
