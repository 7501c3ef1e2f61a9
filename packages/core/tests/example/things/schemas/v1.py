"""Things as `/v1` shows them."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field

from core.web.text import Line
from example.things.models import Thing
from example.things.repository import ThingRow
from example.things.schemas.ids import ThingId


class ThingCreate(BaseModel, extra="forbid"):
    """A thing to make."""

    name: Annotated[Line, Field(max_length=50)]


class ThingRead(BaseModel):
    """A thing."""

    id: ThingId
    name: str
    created_at: datetime

    @classmethod
    def of(cls, thing: Thing | ThingRow) -> Self:
        """The wire shape of a row."""
        return cls(id=thing.id, name=thing.name, created_at=thing.created_at)
