"""Things on the wire."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, Field

from core.ids import TypeId
from example.things.models import Thing

ThingId = Annotated[UUID, TypeId("thg")]


class ThingCreate(BaseModel, extra="forbid"):
    """A thing to make."""

    name: Annotated[str, Field(min_length=1, max_length=50)]


class ThingRead(BaseModel):
    """A thing."""

    id: ThingId
    name: str
    created_at: datetime

    @classmethod
    def of(cls, thing: Thing) -> Self:
        """The wire shape of a row."""
        return cls(id=thing.id, name=thing.name, created_at=thing.created_at)
