"""How entitlements are stored."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from billing.tables import Base


class Entitlement(Base):
    """What a customer may use, by feature; a customer without a row may use nothing."""

    __tablename__ = "entitlements"

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id"), primary_key=True)
    features: Mapped[Mapping[str, Any]]
    sequence: Mapped[int]
    updated_at: Mapped[datetime]
