"""What a thing is called in every version."""

from typing import Annotated
from uuid import UUID

from core.ids import TypeId

ThingId = Annotated[UUID, TypeId("thg")]
