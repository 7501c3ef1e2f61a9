"""Things as `/v2` shows them: a label in place of the name, a note, a version; the names of its schemas say so."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field

from core.web.pages import Instant, PageQuery
from core.web.patches import MergePatch
from core.web.text import Line
from example.things.models import Thing
from example.things.repository import ThingRow
from example.things.schemas.ids import ThingId

Label = Annotated[Line, Field(max_length=50)]


class ThingV2Create(BaseModel, extra="forbid"):
    """A thing to make."""

    name: Label = Field(alias="label")
    note: Line | None = None


class ThingV2Patch(MergePatch):
    """What to change of a thing; a note can be removed, a label cannot."""

    name: Label = Field(alias="label")
    note: Line | None


class ThingV2Query(PageQuery):
    """Which things to list."""

    created_at_gte: Instant | None = Field(default=None, description="Made at this instant or later.")
    created_at_lt: Instant | None = Field(default=None, description="Made before this instant.")


class ThingV2Read(BaseModel, from_attributes=True):
    """A thing."""

    id: ThingId
    label: str = Field(validation_alias="name")
    note: str | None
    version: int
    created_at: datetime

    @classmethod
    def of(cls, thing: Thing | ThingRow) -> Self:
        """The wire shape of a row."""
        return cls.model_validate(thing)
