"""What entitlements look like on the wire."""

from collections.abc import Mapping
from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field, StrictBool, StrictInt

from billing.entitlements.models import EntitlementsView


class EntitlementsRead(BaseModel):
    """All that a customer may use; what is not in it, they may not."""

    entitlements: Mapping[str, StrictBool | StrictInt] = Field(
        description="By feature: the most that any of the plans gives that the customer has a right to.",
        examples=[{"audit_log": True, "projects": 100}],
        json_schema_extra={"additionalProperties": {"anyOf": [{"type": "boolean"}, {"type": "integer"}]}},
    )
    version: int = Field(description="Counts the changes; 0 for who never had anything.")
    updated_at: datetime | None

    @classmethod
    def of(cls, view: EntitlementsView) -> Self:
        return cls(entitlements=view.features, version=view.sequence, updated_at=view.updated_at)
