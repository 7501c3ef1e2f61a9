"""The shapes of widgets on the wire."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, Field

from acme.widgets.models import Widget
from acme.widgets.repository import WidgetRow
from core.ids import TypeId
from core.web.patches import MergePatch
from core.web.text import Line

WidgetId = Annotated[UUID, TypeId("wdg")]
WidgetName = Annotated[Line, Field(max_length=100)]


class WidgetCreate(BaseModel, extra="forbid"):
    name: WidgetName
    note: Line | None = None


class WidgetPatch(MergePatch):
    """What to change; a note can be removed, a name cannot."""

    name: WidgetName
    note: Line | None


class WidgetRead(BaseModel, from_attributes=True):
    id: WidgetId
    name: str
    note: str | None
    version: int
    created_at: datetime

    @classmethod
    def of(cls, widget: Widget | WidgetRow) -> Self:
        return cls.model_validate(widget)


class WidgetClearance(BaseModel):
    """What is removed soon after the answer: all that were made until then."""

    until: datetime
