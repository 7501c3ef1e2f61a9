"""How entitlements are stored and read."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from billing.catalog.models import Entitlements
from billing.tables import Base


class Entitlement(Base):
    """What a customer may use, by feature; a customer without a row may use nothing."""

    __tablename__ = "entitlements"

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id"), primary_key=True)
    features: Mapped[Mapping[str, Any]]
    sequence: Mapped[int]
    updated_at: Mapped[datetime]


class EntitlementsView(BaseModel):
    """The same as it is read; the sequence of what was never anything is 0."""

    features: Entitlements
    sequence: int
    updated_at: datetime | None
