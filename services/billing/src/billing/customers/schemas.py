"""What a customer looks like on the wire."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel

from billing.customers.models import Customer, CustomerId
from core.ids import TypeId


class CustomerRead(BaseModel, from_attributes=True):
    """A user as a customer."""

    id: CustomerId
    user_id: Annotated[UUID, TypeId("usr")]
    currency: str | None
    created_at: datetime

    @classmethod
    def of(cls, customer: Customer) -> Self:
        return cls.model_validate(customer)
