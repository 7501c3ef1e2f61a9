"""How customers are stored."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from billing.tables import Base
from core.ids import TypeId

CustomerId = Annotated[UUID, TypeId("cus")]


class Customer(Base):
    __tablename__ = "customers"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    # The `sub` of the access tokens: users' own database holds who that is.
    user_id: Mapped[UUID] = mapped_column(unique=True)
    # Set by the first subscription: one customer's books are in one currency.
    currency: Mapped[str | None]
    sequence: Mapped[int]
    created_at: Mapped[datetime]
    # Since when nothing is sold any more, and since when no more is kept than the law asks for. The row stays: it keeps
    # a user who is gone from becoming a customer anew.
    closing_at: Mapped[datetime | None] = mapped_column(default=None)
    closed_at: Mapped[datetime | None] = mapped_column(default=None)
